-- Texts that people wrote for the study, by the name of what they are; `program` is one.
CREATE TABLE documents (
    name TEXT NOT NULL PRIMARY KEY,
    text TEXT NOT NULL,
    at TEXT NOT NULL                -- when it was taken
) STRICT, WITHOUT ROWID;

-- What was tried before the study, from a results.tsv: for people to see, and never compared.
CREATE TABLE prior_results (
    position INTEGER PRIMARY KEY CHECK (position >= 0),
    "commit" TEXT NOT NULL,
    score REAL,                     -- as the metric says it; NULL without one
    memory_mb REAL,
    status TEXT NOT NULL,
    description TEXT NOT NULL
) STRICT;
