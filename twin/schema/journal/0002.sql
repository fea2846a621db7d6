-- Which journal this is: a cloud counts the outbox's numbers by it, and those of another journal mean nothing.
CREATE TABLE identity (
    value TEXT NOT NULL             -- 32 hex digits
);

INSERT INTO identity VALUES (lower(hex(randomblob(16))));

-- When a change was made, Unix milliseconds.
ALTER TABLE outbox ADD COLUMN made INTEGER NOT NULL DEFAULT 0;

UPDATE outbox SET made = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER);
