-- The cloud's memory of twins: what each is, what it was, and what is wished of it.
CREATE TABLE device (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,          -- <namespace>/<name>
    node TEXT NOT NULL,                 -- empty = forgotten
    journal TEXT NOT NULL,              -- of whose changes the versions are
    state TEXT NOT NULL,                -- DeviceState, JSON; empty = it never said
    received INTEGER NOT NULL           -- Unix milliseconds
);

CREATE TABLE property (
    id INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    name TEXT NOT NULL,
    record TEXT NOT NULL,               -- MsgTwin with versions, JSON; {} = forgotten, only its readings are left
    open INTEGER NOT NULL,              -- 1 = the edge has not confirmed the desired value
    recorded INTEGER NOT NULL,          -- the edge's number of the last reading; 0 = none yet
    UNIQUE (device, name)
);

CREATE TABLE reading (
    property INTEGER NOT NULL,
    number INTEGER NOT NULL,            -- rises with every reading of the log
    time INTEGER NOT NULL,              -- received at the edge, Unix milliseconds
    source_time INTEGER NOT NULL,       -- 0 = not said
    quality TEXT NOT NULL,
    value TEXT,
    reason TEXT NOT NULL,
    PRIMARY KEY (property, number)
) WITHOUT ROWID;

CREATE INDEX reading_time ON reading (property, time);

CREATE TABLE cursor (
    node TEXT NOT NULL,
    journal TEXT NOT NULL,
    seq INTEGER NOT NULL,               -- the highest number that is safe here
    PRIMARY KEY (node, journal)
) WITHOUT ROWID;

CREATE TABLE lost_wish (
    id INTEGER PRIMARY KEY,
    device TEXT NOT NULL,
    property TEXT NOT NULL,
    wanted TEXT NOT NULL,
    kept TEXT NOT NULL,
    at INTEGER NOT NULL
);

CREATE INDEX lost_wish_device ON lost_wish (device, id);

CREATE TABLE counter (
    name TEXT PRIMARY KEY,              -- 'reading': the number of the next one
    value INTEGER NOT NULL
) WITHOUT ROWID;
