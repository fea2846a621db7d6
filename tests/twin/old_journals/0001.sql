-- A journal as the first release of the schema left it: never edited.
CREATE TABLE device (
    id TEXT PRIMARY KEY,            -- <namespace>/<name>
    state TEXT NOT NULL DEFAULT '',
    last_online TEXT NOT NULL DEFAULT ''  -- RFC 3339, UTC, seconds
) WITHOUT ROWID;

CREATE TABLE twin (
    device TEXT NOT NULL,
    name TEXT NOT NULL,
    record TEXT NOT NULL,           -- MsgTwin with versions, JSON
    PRIMARY KEY (device, name)
) WITHOUT ROWID;

-- One row a change, in order; a row leaves when the cloud has committed it.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY,       
    device TEXT NOT NULL,
    kind TEXT NOT NULL,             -- 'twin' or 'state'
    body TEXT NOT NULL              -- twin: name -> MsgTwin with versions; state: StateResult's device
);

CREATE INDEX outbox_state ON outbox (device, seq) WHERE kind = 'state';

-- Which messages the last commits handled, so that what a broker delivers twice is recognised.
CREATE TABLE handled (
    id INTEGER PRIMARY KEY,
    digests BLOB NOT NULL           -- 8 bytes each, in the order handled
);

CREATE TABLE counter (
    name TEXT PRIMARY KEY,          -- 'folded': changes folded into newer ones when the outbox was full;
                                    -- 'trimmed': the last seq the cloud has confirmed
    value INTEGER NOT NULL
) WITHOUT ROWID;

PRAGMA user_version = 1;
INSERT INTO device VALUES ('default/a', 'online', '2026-01-01T00:00:00Z');
INSERT INTO twin VALUES ('default/a', 'x', '{"actual":{"value":"7"},"optional":true,"actual_version":{"cloud":0,"edge":7}}');
INSERT INTO outbox VALUES (41, 'default/a', 'twin', '{"x":{"actual":{"value":"7"},"optional":true,"actual_version":{"cloud":0,"edge":7}}}');
INSERT INTO outbox VALUES (42, 'default/a', 'state', '{"name":"a","state":"online","lastOnlineTime":"2026-01-01T00:00:00Z"}');
INSERT INTO counter VALUES ('trimmed', 40);
