ALTER TABLE study ADD COLUMN supervised INTEGER NOT NULL DEFAULT 0 CHECK (supervised IN (0, 1));

-- A candidate that waits for a person, or did.
CREATE TABLE reviews (
    experiment_id INTEGER PRIMARY KEY REFERENCES experiments (id),
    verdict TEXT NOT NULL CHECK (verdict IN ('pending', 'approve', 'veto')),
    decided_by TEXT NOT NULL DEFAULT ''
        CHECK (decided_by IN ('', 'person', 'timer', 'unsupervised')),
    note TEXT NOT NULL DEFAULT '',
    proposed_sha TEXT REFERENCES sources (sha256),  -- the policy's own source, if it was amended
    requested_at TEXT NOT NULL,
    decided_at TEXT,
    CHECK ((verdict = 'pending') = (decided_at IS NULL))
) STRICT;
CREATE INDEX reviews_by_verdict ON reviews (verdict);

-- The present, for viewers: overwritten as it changes, and nothing is decided from it.
CREATE TABLE live (
    experiment_id INTEGER PRIMARY KEY REFERENCES experiments (id),
    phase TEXT NOT NULL CHECK (phase IN ('starting', 'training', 'scoring')),
    phase_since TEXT NOT NULL,
    progress REAL NOT NULL,         -- spent share of the budget
    step INTEGER NOT NULL,
    loss REAL,
    steps_per_second REAL
) STRICT;

CREATE TABLE device_samples (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    device TEXT NOT NULL,
    utilisation REAL,               -- 0 to 1
    memory_mb REAL,
    memory_total_mb REAL,
    power_w REAL,
    temperature_c REAL
) STRICT;

CREATE TABLE panels (
    name TEXT NOT NULL PRIMARY KEY,
    at TEXT NOT NULL,
    data TEXT NOT NULL CHECK (json_valid(data))
) STRICT, WITHOUT ROWID;
