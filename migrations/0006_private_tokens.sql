-- By what a token is known is for the service alone: whoever may only read tables by default may not read this one.
DO $$
DECLARE
    reader regrole;
BEGIN
    FOR reader IN SELECT grantee FROM pg_class, aclexplode(relacl)
                  WHERE pg_class.oid = 'app.token'::regclass AND grantee NOT IN (0, relowner)
                  GROUP BY grantee HAVING bool_and(privilege_type = 'SELECT') LOOP
        EXECUTE format('REVOKE ALL ON app.token FROM %s', reader);
    END LOOP;
END $$;
