"""Profiles: what players say of themselves, what others may see of it, and their pictures.

A profile is part of its account's row. A picture is decoded and made anew, kept under a name that its content gives it,
and swept away once no account shows it. Others see what its owner lets them: the choices are `Privacy`.
"""
