-- A record as the first release made it, with one token of each outcome.
PRAGMA journal_mode = WAL;
PRAGMA user_version = 1;
CREATE TABLE request (
    request_id  TEXT PRIMARY KEY,
    outcome     TEXT NOT NULL CHECK (outcome IN ('issued', 'refused', 'cancelled')),
    args_hash   TEXT,
    args        TEXT,
    meter_pan   TEXT,
    base_date   TEXT,
    tid         INTEGER,
    sealed      BLOB,
    reason      TEXT,
    highest_tid INTEGER,
    at          INTEGER NOT NULL,
    CHECK ((outcome = 'issued') = (sealed IS NOT NULL)),
    CHECK ((outcome = 'issued') = (reason IS NULL)),
    CHECK ((outcome = 'cancelled') = (args_hash IS NULL))
);
CREATE UNIQUE INDEX spent_tid ON request (meter_pan, base_date, tid) WHERE outcome = 'issued';
CREATE INDEX rate ON request (meter_pan, at) WHERE outcome = 'issued';
CREATE TABLE state (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    epoch    INTEGER NOT NULL,
    sequence INTEGER NOT NULL
);
INSERT INTO state VALUES (1, 1, 0);
INSERT INTO request VALUES ('a-1', 'issued', '00', '{}', '600727000000000009', '14', 500, X'01', NULL, NULL, 1795000000);
INSERT INTO request VALUES ('b', 'refused', '00', '{}', '600727000000000009', '14', 500, NULL, 'tid_spent', 500, 1795000001);
INSERT INTO request VALUES ('c', 'cancelled', NULL, NULL, NULL, NULL, NULL, NULL, 'cancelled', NULL, 1795000002);
UPDATE state SET sequence = 3, epoch = 2;
