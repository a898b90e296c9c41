"""The texts of mails: templates that an operator may replace, filled with what each mail is about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from types import MappingProxyType
from urllib.parse import urlencode

from overworld.domains.accounts.mail import rules
from overworld.domains.accounts.mail.errors import BadMailText
from overworld.domains.accounts.mail.types import Addressee, Kind, Purpose, Waiting
from overworld.kernel.mail import Mail

_BUILT_IN = Path(__file__).parent / "templates"
_SUBJECT = "Subject: "
_ALWAYS = frozenset({"game", "at", "address"})
_WITH_TOKEN = frozenset({"how", "token", "life"})
_MINUTE_S, _HOUR_S = 60, 3_600


class Letters:
    """Writes mails. What players chose, such as usernames, never stands in them: anybody could send it anywhere."""

    def __init__(self, texts: Mapping[Kind, tuple[Template, Template]], *, game: str, link: str) -> None:
        self._texts = texts
        self._game = game
        self._link = link

    def write(self, mail: Waiting, to: Addressee, *, token: str = "", life_s: int = 0) -> Mail:
        """The mail for an addressee, with its token if it has one."""
        subject, text = self._texts[mail.kind]
        filled = {
            "game": self._game,
            "at": f"{mail.made_at:%d %B %Y at %H:%M} UTC",
            "address": mail.address or "an unknown address",
            "token": token,
            "life": _life(life_s),
            "how": self._how(rules.purpose_of(mail.kind), token),
        }
        return Mail(id=mail.id, to=to.email, subject=subject.substitute(filled), text=text.substitute(filled))

    def _how(self, purpose: Purpose | None, token: str) -> str:
        if purpose is None:
            return ""
        if not self._link:
            return f"Enter this in the game:\n\n{token}"
        return f"Open this page:\n\n{self._link}#{urlencode({'purpose': purpose.value, 'token': token})}"


def read_letters(folder: str, *, game: str, link: str) -> Letters:
    """The texts in a folder, and the built-in ones for those that it lacks: `KIND.txt`, the subject on the first line.

    Raises: BadMailText, which names the file and what is wrong.
    """
    texts = {kind: _read(_file(folder, kind), kind) for kind in Kind}
    return Letters(MappingProxyType(texts), game=" ".join(game.split()), link=link)


def _file(folder: str, kind: Kind) -> Path:
    if folder and not Path(folder).is_dir():
        raise BadMailText(f"accounts.mail_templates: there is no folder {folder}")
    own = Path(folder) / f"{kind.value}.txt"
    return own if folder and own.is_file() else _BUILT_IN / own.name


def _read(file: Path, kind: Kind) -> tuple[Template, Template]:
    try:
        first, _, rest = file.read_text().partition("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadMailText(f"{file} cannot be read: {error}") from error
    if not first.startswith(_SUBJECT):
        raise BadMailText(f"{file} does not begin with `{_SUBJECT}`")
    templates = Template(first.removeprefix(_SUBJECT).strip()), Template(rest.strip() + "\n")
    known = _ALWAYS | (_WITH_TOKEN if rules.purpose_of(kind) else frozenset())
    for template in templates:
        if not template.is_valid():
            raise BadMailText(f"{file} has a $ that begins no name; write $$ for the sign itself")
        if unknown := set(template.get_identifiers()) - known:
            raise BadMailText(f"{file} names ${min(unknown)}; it may name {', '.join(f'${n}' for n in sorted(known))}")
    if rules.purpose_of(kind) and not {"how", "token"} & set(templates[1].get_identifiers()):
        raise BadMailText(f"{file} names neither $how nor $token: nobody could do what it is for")
    return templates


def _life(life_s: int) -> str:
    hours, minutes = life_s / _HOUR_S, life_s / _MINUTE_S
    return f"{hours:g} hours" if hours >= 2 else f"{minutes:.0f} minutes"  # noqa: PLR2004 - a plural
