-- What the account of web servers and workers may do: read and write rows, and nothing to the schema.
--
-- Run as the owner of the database, after the first start of vms-init and after every upgrade:
--   psql --set=account=vms_web --file=/opt/vms/deploy/postgresql/grants.sql vms
-- It takes from the account what it had, and gives it what it needs, in one transaction.
\set ON_ERROR_STOP on
BEGIN;
SELECT set_config('vms.account', :'account', true);

DO $$
DECLARE
  account text := quote_ident(current_setting('vms.account'));
  one record;
BEGIN
  EXECUTE 'REVOKE CREATE ON SCHEMA public FROM PUBLIC, ' || account;
  EXECUTE 'GRANT USAGE ON SCHEMA public TO ' || account;
  -- roll-ups pick what they add up in a table of their transaction's own
  EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %s', current_database(), account);
  EXECUTE 'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM ' || account;
  EXECUTE 'GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO ' || account;
  EXECUTE 'GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO ' || account;

  -- Where a trigger says that rows are only added, the account may not even try to do otherwise:
  -- it keeps them where somebody drops the trigger, too. A guard of some columns (tgattr) leaves
  -- the others open, and the trigger alone keeps those.
  FOR one IN
    SELECT c.relname AS name,
      coalesce(bool_or(t.tgtype & 16 <> 0 AND t.tgattr::text = ''), false) AS kept,
      coalesce(bool_or(t.tgtype & 8 <> 0), false) AS stays
    FROM pg_class c
    LEFT JOIN pg_trigger t ON t.tgrelid = c.oid
      AND t.tgfoid = to_regproc('public.vms_added_only')
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND c.relname <> 'alembic_version'
    GROUP BY c.relname
  LOOP
    IF NOT one.kept THEN
      EXECUTE format('GRANT UPDATE ON public.%I TO %s', one.name, account);
    END IF;
    IF NOT one.stays THEN
      EXECUTE format('GRANT DELETE ON public.%I TO %s', one.name, account);
    END IF;
  END LOOP;

  -- which release the schema is of is the owner's to say
  EXECUTE 'REVOKE INSERT ON public.alembic_version FROM ' || account;
END $$;
COMMIT;
