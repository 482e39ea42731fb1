-- check_isolation(): a tenant column that accepts NULL.
SELECT plan(3);
\ir ../include/check_isolation.psql

ALTER TABLE :odd ALTER "Tenant ""id""" DROP NOT NULL;
SELECT is(findings(), 'warning|nullable_tenant_column|' || :'odd', 'the column accepts NULL');
\ir ../include/mend.psql

SELECT * FROM finish();
