"""What a key change and its tokens refer to is checked a statement at a time.

PostgreSQL checks a foreign key row by row, 3 µs each; a campaign writes nine of them a meter, a
million times. Here one trigger looks at all rows of a statement. It locks what they refer to as a
foreign key does (``FOR KEY SHARE``), and triggers on the other side refuse to remove what is
referred to. A token refers to a change *and its meter*, which no foreign key said; changes are
never removed, so nothing is locked for that. SQLite keeps its foreign keys, which cost it little.

Revision: 0044
Follows: 0042
"""

from collections.abc import Iterator

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

METER = ("meter_id", "meter")
SHARED = (
    ("module_id", "security_module"),
    ("reserved_by_id", "ab_user"),
    ("campaign_id", "campaign"),
    ("chunk_id", "campaign_chunk"),
)
"""What rows of one statement mostly have in common."""
OF_TOKEN = (("key_change_id", "key_change"), METER)
BY_INDEX = "SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off"
"""A plan is kept, and must do for the millionth row as for the first."""
FINAL = "UPDATE OF id, meter_id OR DELETE"
STAYS = "RAISE restrict_violation USING MESSAGE = 'a key change stays, and stays its meter''s';"


def upgrade() -> None:
    if _is_sqlite():
        return
    for table, keys in (("key_change", (METER, *SHARED)), ("key_change_token", OF_TOKEN)):
        for column, _parent in keys:
            op.drop_constraint(f"{table}_{column}_fkey", table, type_="foreignkey")
    _function("key_change_added", f"DECLARE row record; BEGIN {_meters()} {_shared()}", BY_INDEX)
    _after("key_change_added", "key_change")
    _function("key_change_moved", f"BEGIN {''.join(_named('NEW', SHARED))}")
    columns = ", ".join(column for column, _parent in SHARED)
    op.execute(
        f"CREATE TRIGGER key_change_moved AFTER UPDATE OF {columns} ON key_change"
        " FOR EACH ROW EXECUTE FUNCTION key_change_moved()"
    )
    _function("key_change_final", f"BEGIN {STAYS}")
    op.execute(
        f"CREATE TRIGGER key_change_final BEFORE {FINAL} ON key_change"
        " FOR EACH ROW EXECUTE FUNCTION key_change_final()"
    )
    _function("key_change_token_added", f"BEGIN {_tokens()}", BY_INDEX)
    _after("key_change_token_added", "key_change_token")
    _function("key_change_keeps", f"DECLARE found bigint; BEGIN {_kept()}")
    for column, parent in (METER, *SHARED):
        op.execute(
            f"CREATE TRIGGER key_change_keeps_{parent} AFTER UPDATE OF id OR DELETE ON {parent}"
            f" FOR EACH ROW EXECUTE FUNCTION key_change_keeps('{column}')"
        )


def downgrade() -> None:
    if _is_sqlite():
        return
    for _column, parent in (METER, *SHARED):
        op.execute(f"DROP TRIGGER key_change_keeps_{parent} ON {parent}")
    for name, table in (
        ("key_change_token_added", "key_change_token"), ("key_change_final", "key_change"),
        ("key_change_moved", "key_change"), ("key_change_added", "key_change"),
    ):  # fmt: skip
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for name in ("keeps", "token_added", "final", "moved", "added"):
        op.execute(f"DROP FUNCTION key_change_{name}()")
    for table, keys in (("key_change", (METER, *SHARED)), ("key_change_token", OF_TOKEN)):
        for column, parent in keys:
            op.create_foreign_key(f"{table}_{column}_fkey", table, parent, [column], ["id"])


def _meters() -> str:
    """Look for the meter of each row, which are as many as the rows."""
    column, parent = METER
    return (
        "IF EXISTS (SELECT FROM added AS a WHERE NOT EXISTS (SELECT FROM"  # noqa: S608 - our names
        f" {parent} AS p WHERE p.id = a.{column} FOR KEY SHARE)) THEN {_refused(column, parent)}"
        " END IF;"
    )


def _shared() -> str:
    """Look for what the rows share, once for all that are alike in it."""
    columns = ", ".join(column for column, _parent in SHARED)
    return (
        f"FOR row IN SELECT DISTINCT {columns} FROM added LOOP"  # noqa: S608 - our names
        f" {''.join(_named('row', SHARED))} END LOOP;"
    )


def _named(row: str, keys: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for column, parent in keys:
        yield (
            f"IF {row}.{column} IS NOT NULL THEN"  # noqa: S608 - our names
            f" PERFORM FROM {parent} WHERE id = {row}.{column} FOR KEY SHARE;"
            f" IF NOT FOUND THEN {_refused(column, parent)} END IF; END IF; "
        )


def _tokens() -> str:
    """Look for the change of each token, with its meter."""
    return (
        "IF EXISTS (SELECT FROM added AS a WHERE NOT EXISTS (SELECT FROM key_change AS p"
        " WHERE p.id = a.key_change_id AND p.meter_id = a.meter_id)) THEN"
        f" {_refused('key_change_id', 'key_change')} END IF;"
    )


def _kept() -> str:
    """Refuse to take away what a change refers to in the column told."""
    return (
        "EXECUTE format('SELECT count(*) FROM (SELECT FROM key_change WHERE %I = $1 LIMIT 1) a',"
        " TG_ARGV[0]) INTO found USING OLD.id;"
        " IF found > 0 THEN RAISE foreign_key_violation USING"
        " MESSAGE = 'a key change names this ' || TG_TABLE_NAME, TABLE = 'key_change'; END IF;"
    )


def _refused(column: str, parent: str) -> str:
    return (
        f"RAISE foreign_key_violation USING MESSAGE = '{column} names no {parent}',"
        " TABLE = TG_TABLE_NAME;"
    )


def _function(name: str, body: str, settings: str = "") -> None:
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql {settings}"
        f" AS $$ {body} RETURN NULL; END $$"
    )


def _after(name: str, table: str) -> None:
    op.execute(
        f"CREATE TRIGGER {name} AFTER INSERT ON {table} REFERENCING NEW TABLE AS added"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
    )


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
