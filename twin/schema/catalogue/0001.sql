-- What is declared: one JSON object per key.
CREATE TABLE entry (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The number of the last write of all: a version is never given twice, not even after a delete.
CREATE TABLE revision (
    last INTEGER NOT NULL
) STRICT;

INSERT INTO revision (last) VALUES (0);
