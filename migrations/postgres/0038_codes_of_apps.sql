-- A code that an app was given for what its user typed there: no browser signed in for it.
ALTER TABLE authorization_codes ALTER COLUMN sign_in_session DROP NOT NULL;
