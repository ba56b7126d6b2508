-- What self-evaluation expects of a running experiment: its final score, and the worst that may go on.
ALTER TABLE live ADD COLUMN forecast REAL;
ALTER TABLE live ADD COLUMN forecast_low REAL;
ALTER TABLE live ADD COLUMN forecast_high REAL;
ALTER TABLE live ADD COLUMN threshold REAL;

-- What it saw of an experiment while that ran, and whether it took it for hopeless.
CREATE TABLE evaluations (
    experiment_id INTEGER PRIMARY KEY REFERENCES experiments (id),
    looks TEXT NOT NULL CHECK (json_valid(looks)),
    condemned_at REAL,              -- progress, at the first look that found it hopeless
    audit_probability REAL,         -- with which a hopeless experiment is let run to its end
    audited INTEGER NOT NULL CHECK (audited IN (0, 1)),
    CHECK ((condemned_at IS NULL) = (audit_probability IS NULL)),
    CHECK (condemned_at IS NOT NULL OR audited = 0)
) STRICT;

-- Where the time of an experiment went, in wall seconds by part; JSON.
ALTER TABLE experiments ADD COLUMN timing TEXT CHECK (timing IS NULL OR json_valid(timing));
-- The share of the time in which it could have run that it waited for a processor, 0 to 1.
ALTER TABLE experiments ADD COLUMN contention REAL;
-- The share of the machine's processors that other programs used meanwhile, 0 to 1.
ALTER TABLE experiments ADD COLUMN other_load REAL;

-- What the study has used so far, over all its engines: by name, in the unit that the name gives.
CREATE TABLE meters (
    name TEXT NOT NULL PRIMARY KEY,
    value REAL NOT NULL
) STRICT, WITHOUT ROWID;
