"""The commands of accounts, split by family: signing in, sessions, profiles, who is who, signing keys."""

from overworld.domains.accounts.service.directory import Directory
from overworld.domains.accounts.service.profiles import Profiles
from overworld.domains.accounts.service.sessions import Sessions
from overworld.domains.accounts.service.sign_in import SignIn
from overworld.domains.accounts.service.signing_keys import SigningKeys

__all__ = ["Directory", "Profiles", "Sessions", "SignIn", "SigningKeys"]
