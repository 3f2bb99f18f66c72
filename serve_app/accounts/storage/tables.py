"""The tables of the ledger. Amounts are whole nano-dollars; times are whole milliseconds since 1970.

A balance is kept with its account and always equals the sum of the account's entries; what is held is kept with it,
too, and equals the sum of its open holds. Entries are only ever added: the database itself refuses anything else.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

Counted = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up a key of this type alone


def _limits() -> tuple[Column[int], ...]:
    names = ("requests_per_minute", "tokens_per_minute", "concurrent_requests")
    return tuple(Column(name, Integer) for name in names)


accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False, unique=True),  # in lower case
    Column("created", BigInteger, nullable=False),
    Column("balance", BigInteger, nullable=False, default=0),
    Column("held", BigInteger, nullable=False, default=0),
    Column("granted", BigInteger, nullable=False, default=0),
    *_limits(),
    CheckConstraint("held >= 0", name="held_is_not_negative"),
    CheckConstraint("balance >= held", name="no_more_is_held_than_there_is"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),  # SHA-256 of the secret
    Column("prefix", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # separated by spaces
    Column("models", Text, nullable=False),  # a JSON list; empty for all
    Column("cap", BigInteger),
    Column("cap_period", Text),
    *_limits(),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("revoked", BigInteger),
    Column("made_by", Text),  # the key that asked for it; NULL for the command line and for sign-ups
)

entries = Table(
    "entries",
    metadata,
    Column("id", Counted, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("kind", Text, nullable=False),  # grant, capture, or refund of a capture whose answer was not given
    Column("amount", BigInteger, nullable=False),  # what it changes the balance by
    Column("at", BigInteger, nullable=False),
    Column("reference", Text, unique=True),  # of a grant: given twice, it is granted once
    Column("note", Text),
    Column("hold_id", BigInteger),  # which a capture or a refund ends
    Column("hold_amount", BigInteger),
    Column("key_id", Text),
    Column("period", Text),  # of the key's spending cap, where it has one
    Column("model", Text),
    Column("tier", Text),
    Column("documents", BigInteger),
    Column("tokens", BigInteger),
    Column("request_id", Text),
    UniqueConstraint("hold_id", "kind", name="a_hold_ends_once"),
    CheckConstraint("kind in ('grant', 'capture', 'refund')", name="kind_is_known"),
    CheckConstraint("amount = 0 or (kind = 'capture') = (amount < 0)", name="only_a_capture_takes"),
    CheckConstraint("kind != 'capture' or -amount <= hold_amount", name="no_more_is_captured_than_was_held"),
    sqlite_autoincrement=True,
)

holds = Table(
    "holds",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("key_id", Text, nullable=False),  # "" where no key was used
    Column("amount", BigInteger, nullable=False),
    Column("period", Text),
    Column("at", BigInteger, nullable=False),
    CheckConstraint("amount >= 0", name="amount_is_not_negative"),
)

gateways = Table(
    "gateways",
    metadata,
    Column("id", Counted, primary_key=True),
    Column("host", Text, nullable=False),
    Column("beat", BigInteger, nullable=False, default=0),
    Column("started", BigInteger, nullable=False),
    sqlite_autoincrement=True,  # no number twice: holds are numbered by gateway
)

spending = Table(
    "spending",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("spent", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("hour", BigInteger, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("documents", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("nano_dollars", BigInteger, nullable=False),
)

claims = Table(
    "claims",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("owner", BigInteger, nullable=False),  # the number of the request's hold
    Column("at", BigInteger, nullable=False),
    Column("answer", LargeBinary),
    Column("headers", Text),
    Column("replayed", BigInteger),  # when the answer was given again for the first time
    Index("claims_by_owner", "owner"),
    Index("claims_in_work", "owner", sqlite_where=text("answer IS NULL"), postgresql_where=text("answer IS NULL")),
    Index("claims_by_time", "at"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),  # SHA-256 of the secret
    Column("key_id", Text, ForeignKey("api_keys.id"), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Index("sessions_by_key", "key_id"),
    Index("sessions_by_expiry", "expires"),
)

compatibility = Table(
    "compatibility",
    metadata,
    Column("oldest", Text, primary_key=True),  # the form of the oldest build that may work on these tables; one row
)

invites = Table(
    "invites",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("prefix", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("used_by", Text, ForeignKey("accounts.id")),
)
