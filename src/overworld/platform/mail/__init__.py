"""Mail leaves here: to an SMTP server, or into a folder where there is none. Both are the kernel's `MailCarrier`."""

from overworld.platform.mail.folder import FolderCarrier
from overworld.platform.mail.settings import MailSettings
from overworld.platform.mail.smtp import SmtpCarrier

__all__ = ["FolderCarrier", "MailSettings", "SmtpCarrier"]
