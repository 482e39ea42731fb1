-- check_isolation(): a protected table whose tenant column has another name by now.
SELECT plan(3);
\ir ../include/check_isolation.psql

ALTER TABLE :odd RENAME "Tenant ""id""" TO customer;
SELECT is(findings(), 'error|missing_tenant_column|' || :'odd', 'the column is gone');
\ir ../include/mend.psql

SELECT * FROM finish();
