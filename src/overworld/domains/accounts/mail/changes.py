"""What mail is for: a new password, another e-mail address, and the proof that an address is its account's."""

from __future__ import annotations

from uuid import UUID

from overworld.domains.accounts import rules
from overworld.domains.accounts import store as accounts
from overworld.domains.accounts.crypto.passwords import Passwords
from overworld.domains.accounts.crypto.weak_passwords import require_strong
from overworld.domains.accounts.errors import LockedOut, TokenRevoked
from overworld.domains.accounts.external.store import forget_linked
from overworld.domains.accounts.mail import store
from overworld.domains.accounts.mail.errors import BadMailToken, NoPassword, NothingToConfirm, WrongPassword
from overworld.domains.accounts.mail.limits import MailLimits
from overworld.domains.accounts.mail.messages import (
    ChangeEmail,
    ChangePassword,
    ConfirmEmail,
    ForgetPassword,
    ResetPassword,
)
from overworld.domains.accounts.mail.queue import MailQueue
from overworld.domains.accounts.mail.types import Kind, Proof, Purpose
from overworld.domains.accounts.messages import Grant, SignInRefused
from overworld.domains.accounts.passkeys.store import forget_all as forget_passkeys
from overworld.domains.accounts.service.lockout import Lockout
from overworld.domains.accounts.service.sessions import Sessions
from overworld.domains.accounts.types import Account, Credentials, Origin, Revocation, Way
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Principal
from overworld.kernel.ports import Outbox, Tx
from overworld.platform.postgres import Database, UniqueViolation


class Changes:
    """Changes what proves who somebody is. Each change ends every session and voids every token that was mailed.

    Asking for a mail looks at no account, so that it tells nothing of any: whose an address is is found out when the
    mail is sent.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        outbox: Outbox,
        sessions: Sessions,
        passwords: Passwords,
        lockout: Lockout,
        limits: MailLimits,
        queue: MailQueue,
        password_length_min: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._sessions = sessions
        self._passwords = passwords
        self._lockout = lockout
        self._limits = limits
        self._queue = queue
        self._length_min = password_length_min

    async def forget_password(self, command: ForgetPassword, *, origin: Origin) -> None:
        """Sends a mail with which a new password can be set, if somebody has the address.

        Raises: MailUnavailable, BadEmail, TooManyMails, Busy.
        """
        self._queue.require()
        email = rules.email(command.email)
        await self._limits.count(email, origin.address)
        async with self._database.transaction() as tx:
            await self._ask(tx, Kind.RESET_PASSWORD, email, account_id=None, origin=origin)

    async def reset_password(self, command: ResetPassword, *, origin: Origin) -> None:
        """Sets a new password by a mail's token.

        Where the address was not confirmed before, every other way into the account is forgotten: whoever made it with
        somebody else's address must not stay in it. Raises: BadMailToken, WeakPassword, Busy.
        """
        token_hash = rules.secret_hash(command.token)
        async with self._database.read() as tx:
            proof = await self._proof(tx, token_hash, Purpose.RESET_PASSWORD)
            known = await accounts.account(tx, proof.account_id)
        self._require_strong(command.password, known)
        password_hash = await self._passwords.hash(command.password)
        async with self._database.transaction() as tx:
            if known is None or not known.email_verified:
                await forget_linked(tx, proof.account_id)  # before the account is locked, as a sign-in does it
            account = await self._spend(tx, token_hash, proof)
            if account.email is None or rules.folded(account.email) != rules.folded(proof.email):
                raise BadMailToken
            if not account.email_verified:
                await forget_passkeys(tx, account.id)
            revoked = await self._set_password(
                tx, account, password_hash, origin=origin, reason="password_reset", by_mail=True
            )
        self._sessions.apply([revoked])

    async def change_password(self, caller: Principal, command: ChangePassword, *, origin: Origin) -> Grant:
        """Replaces a password that its owner knows; whoever asks gets a new session, the only one then.

        Raises: SecondFactorNeeded, NoPassword, LockedOut, WrongPassword, WeakPassword, TokenRevoked, Busy.
        """
        account_id = caller.account_id
        known = await self._known(account_id, caller)
        if known.password_hash is None:
            raise NoPassword
        await self._prove(known, command.current_password, origin=origin)
        self._require_strong(command.password, known.account)
        password_hash = await self._passwords.hash(command.password)
        at = self._clock.now()
        async with self._database.transaction() as tx:
            now_known = await accounts.credentials_of(tx, account_id, locked=True)
            if now_known is None or now_known.password_hash != known.password_hash:
                raise WrongPassword
            revoked = await self._set_password(
                tx, now_known.account, password_hash, origin=origin, reason="password_changed"
            )
            opened = await self._sessions.open(tx, account_id, way=Way.PASSWORD, origin=origin, at=at)
        self._sessions.apply([revoked])
        return await self._sessions.grant(opened)

    async def change_email(self, caller: Principal, command: ChangeEmail, *, origin: Origin) -> None:
        """Sends a mail to a new address; the account has it when the mail's token comes back.

        Nothing is sent to an address that another account has, and nobody is told. A mail asked for earlier is void.
        Raises: SecondFactorNeeded, MailUnavailable, BadEmail, TooManyMails, LockedOut, WrongPassword, TokenRevoked,
        Busy.
        """
        self._queue.require()
        account_id = caller.account_id
        email = rules.email(command.email)
        await self._limits.count(email, origin.address)
        known = await self._known(account_id, caller)
        if known.password_hash is not None:
            await self._prove(known, command.password or "", origin=origin)
        async with self._database.transaction() as tx:
            now_known = await accounts.credentials_of(tx, account_id, locked=True)
            if now_known is None or now_known.password_hash != known.password_hash:
                raise WrongPassword
            await store.withdraw(tx, account_id)
            await self._ask(tx, Kind.CONFIRM_EMAIL, email, account_id=account_id, origin=origin)

    async def ask_confirmation(self, account_id: UUID, *, origin: Origin) -> None:
        """Sends another mail to the address of an account that has not confirmed it.

        Raises: MailUnavailable, NothingToConfirm, TooManyMails, TokenRevoked, Busy.
        """
        self._queue.require()
        account = (await self._known(account_id)).account
        if account.email is None or account.email_verified:
            raise NothingToConfirm
        await self._limits.count(account.email, origin.address)
        async with self._database.transaction() as tx:
            await self._ask(tx, Kind.CONFIRM_EMAIL, account.email, account_id=account_id, origin=origin)

    async def confirm_email(self, command: ConfirmEmail, *, origin: Origin) -> None:
        """Confirms the address that a token was sent to; if it is a new one, the account has it from now on.

        Then every session ends, and the address before is told. Raises: BadMailToken, also when the address has become
        another account's meanwhile.
        """
        token_hash, at = rules.secret_hash(command.token), self._clock.now()
        revoked: list[Revocation] = []
        try:
            async with self._database.transaction() as tx:
                proof = await self._proof(tx, token_hash, Purpose.CONFIRM_EMAIL)
                account = await self._spend(tx, token_hash, proof)
                is_new = account.email is None or rules.folded(account.email) != rules.folded(proof.email)
                if is_new:
                    await store.withdraw(tx, account.id)
                await store.set_email(tx, account.id, proof.email, verified_at=at)
                if is_new:
                    revoked.append(await self._sessions.revoke_all(tx, account.id, reason="email_changed", at=at))
                    before = [account.email] if account.email else []
                    await self._tell(tx, Kind.EMAIL_CHANGED, before, account.id, origin=origin)
        except UniqueViolation as taken:
            raise BadMailToken from taken
        self._sessions.apply(revoked)

    async def forget_tokens(self, *, rows_max: int) -> int:
        """Drops tokens that are over, at most `rows_max`; gives how many. One transaction."""
        async with self._database.transaction() as tx:
            return await store.forget_tokens(tx, self._clock.now(), rows_max=rows_max)

    async def _known(self, account_id: UUID, changing: Principal | None = None) -> Credentials:
        async with self._database.read() as tx:
            if changing is not None:
                await self._sessions.require_proof(tx, changing)
            known = await accounts.credentials_of(tx, account_id)
        if known is None:
            raise TokenRevoked
        return known

    async def _prove(self, known: Credentials, password: str, *, origin: Origin) -> None:
        """Passes for the right password; a wrong one counts like a failed sign-in.

        Raises: LockedOut, WrongPassword, Busy.
        """
        name = known.account.email or str(known.account.id)
        await self._lockout.check(name, origin.address)
        is_right = await self._passwords.verify(password, known.password_hash)
        try:
            await self._lockout.check(name, origin.address)
        except LockedOut as locked:
            raise await self._refusal(known, name, origin=origin, refusal=locked) from None
        if not is_right:
            raise await self._refusal(known, name, origin=origin, refusal=WrongPassword())

    async def _refusal(
        self, known: Credentials, name: str, *, origin: Origin, refusal: LockedOut | WrongPassword
    ) -> LockedOut | WrongPassword:
        """Counts and notes a failure; gives what is told of it."""
        refusal = await self._lockout.count_failure(name, origin.address) or refusal
        event = SignInRefused(
            account_id=known.account.id,
            way=Way.PASSWORD,
            reason="locked_out" if isinstance(refusal, LockedOut) else "wrong_password",
            address=origin.address,
            user_agent=origin.user_agent,
        )
        async with self._database.transaction() as tx:
            await self._outbox.append(tx, [event], at=self._clock.now())
        return refusal

    def _require_strong(self, password: str, account: Account | None) -> None:
        names = (account.username, account.email) if account else ()
        require_strong(password, length_min=self._length_min, names=names)

    async def _proof(self, tx: Tx, token_hash: bytes, purpose: Purpose) -> Proof:
        proof = await store.proof(tx, token_hash, purpose, at=self._clock.now())
        if proof is None:
            raise BadMailToken
        return proof

    async def _spend(self, tx: Tx, token_hash: bytes, proof: Proof) -> Account:
        """The account, locked, with the token used up. Raises: BadMailToken when somebody was quicker."""
        known = await accounts.credentials_of(tx, proof.account_id, locked=True)
        if known is None or not await store.spend(tx, token_hash):
            raise BadMailToken
        return known.account

    async def _set_password(
        self, tx: Tx, account: Account, password_hash: str, *, origin: Origin, reason: str, by_mail: bool = False
    ) -> Revocation:
        at = self._clock.now()
        await store.withdraw(tx, account.id)
        await store.set_password(tx, account.id, password_hash, verified_at=at if by_mail else None)
        revoked = await self._sessions.revoke_all(tx, account.id, reason=reason, at=at)
        emails = [account.email] if account.email and (by_mail or account.email_verified) else []
        await self._tell(tx, Kind.PASSWORD_CHANGED, emails, account.id, origin=origin)
        return revoked

    async def _ask(self, tx: Tx, kind: Kind, email: str, *, account_id: UUID | None, origin: Origin) -> None:
        at = self._clock.now()
        await self._queue.ask(tx, kind, email, account_id=account_id, address=origin.address, at=at)

    async def _tell(self, tx: Tx, kind: Kind, emails: list[str], account_id: UUID, *, origin: Origin) -> None:
        at = self._clock.now()
        await self._queue.tell(tx, kind, emails, account_id=account_id, address=origin.address, at=at)
