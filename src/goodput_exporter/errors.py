"""
Every error that this project raises on purpose.

GoodputError
├── ConfigError               the operator's: a setting is wrong
├── BadInputError             the sender's: what came in is not what was agreed
├── SourceUnavailableError    the world's: a source cannot be read now
├── LedgerError               the disk's or the database's
│   ├── LedgerCorruptError    what is stored is not what was written
│   └── LedgerTooNewError     a later version wrote it
└── AccountingError           ours: a law of the books would break
    └── OverlapError          two segments cover the same instant
"""

from __future__ import annotations


class GoodputError(Exception):
    """Base of all; the message says what happened, to what, and what to check."""


class ConfigError(GoodputError):
    """A setting is wrong; names the file, the key, the value and what is allowed."""


class BadInputError(GoodputError):
    """Something that came from outside cannot be read as what it claims to be."""


class SourceUnavailableError(GoodputError):
    """A source as a whole cannot be read now; its parts are observations instead."""


class LedgerError(GoodputError):
    """The ledger cannot be read or written."""


class LedgerCorruptError(LedgerError):
    """The ledger's content does not hold together."""


class LedgerTooNewError(LedgerError):
    """The ledger was written by a later version of this program."""


class AccountingError(GoodputError):
    """A law of the books would break; always a bug of ours."""


class OverlapError(AccountingError):
    """Two segments cover the same instant."""
