-- The shortest leeway says how well replicas' clocks must agree. Few clients set one.
CREATE INDEX clients_with_leeway ON clients (leeway_ms, access_ttl_ms) WHERE leeway_ms > 0 OR access_ttl_ms > 0;
