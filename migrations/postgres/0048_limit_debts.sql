-- What stands against counts that are limited, such as wrong passwords: replicas add to them together. Times are
-- microseconds since 1970, as they are added up.
CREATE TABLE limit_debts (
    limiter     TEXT   NOT NULL,
    -- A keyed hash of whose it is.
    key         BIGINT NOT NULL,
    charged_at  BIGINT NOT NULL,
    forgiven_at BIGINT NOT NULL,
    PRIMARY KEY (limiter, key)
);
CREATE INDEX limit_debts_changed ON limit_debts (charged_at);
CREATE INDEX limit_debts_forgiven ON limit_debts (forgiven_at);
