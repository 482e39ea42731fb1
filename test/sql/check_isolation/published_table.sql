-- check_isolation(): protected tables that a publication sends elsewhere.
SELECT plan(8);
\ir ../include/check_isolation.psql

CREATE TABLE regress_shop.shared (code text PRIMARY KEY);
CREATE PUBLICATION "a ""publication""" FOR TABLE :odd, regress_shop.shared;
SELECT is(findings(), 'warning|published_table|a "publication": ' || :'odd', 'a publication of a table');
\ir ../include/mend.psql
SELECT is(string_agg(tablename, ','), 'shared', 'what is not protected stays') FROM pg_publication_tables WHERE pubname = 'a "publication"';
CREATE PUBLICATION whole FOR ALL TABLES;
SELECT is(findings(), E'warning|published_table|whole: regress_shop."Odd ""name"""\nwarning|published_table|whole: regress_shop.product', 'a publication of all tables');
SELECT DISTINCT remedy FROM opsadmin.check_isolation() \gexec
SELECT is(findings(), '', 'the remedy mends it');
CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA regress_shop;
SELECT is(findings(), E'warning|published_table|of_schema: regress_shop."Odd ""name"""\nwarning|published_table|of_schema: regress_shop.product', 'a publication of a schema');
SELECT DISTINCT remedy FROM opsadmin.check_isolation() \gexec
SELECT is(findings(), '', 'the remedy mends it');

SELECT * FROM finish();
