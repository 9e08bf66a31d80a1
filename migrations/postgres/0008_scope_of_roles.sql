-- Roles stand in tokens only with the scope `roles`. The clients of whoever runs this server had them all along, and
-- their services go by them: these clients get the scope, and so do the logins that they have.
UPDATE clients SET scopes = TRIM(scopes || ' roles')
WHERE first_party AND removed_at IS NULL AND ' ' || scopes || ' ' NOT LIKE '% roles %';
UPDATE families SET scope = TRIM(scope || ' roles')
WHERE ended_at IS NULL AND ' ' || scope || ' ' NOT LIKE '% roles %'
    AND client_id IN (SELECT id FROM clients WHERE first_party AND removed_at IS NULL);
