-- Tenants, actors, roles and who has them; what a permission covers.
SELECT plan(108);
\ir include/failure.psql

-- Tenants.
SELECT is(opsadmin.create_tenant('acme', 'Acme', 'Asia/Seoul'), 1::bigint, 'create_tenant() returns the id');
SELECT is(opsadmin.create_tenant('globex', 'Globex', id => 7), 7::bigint, 'an id may be given');
SELECT is(opsadmin.create_tenant('initech', 'Initech'), 8::bigint, 'the sequence goes on above an id that was given');
SELECT is(opsadmin.create_tenant('low', 'Low', id => 3), 3::bigint, 'a lower id may be given too');
SELECT is(opsadmin.create_tenant('next', 'Next'), 9::bigint, 'and does not set the sequence back');
SELECT results_eq($$SELECT slug, name, key, time_zone FROM opsadmin.tenant WHERE id IN (1, 7) ORDER BY id$$,
                  $$VALUES ('acme', 'Acme', NULL, 'Asia/Seoul'), ('globex', 'Globex', NULL, 'UTC')$$, 'a tenant has what it was given');
SELECT is(failure(format('SELECT opsadmin.create_tenant(%L, %L)', slug, 'x')), 'OA425', format('"%s" is no slug', left(slug, 20)))
FROM unnest(ARRAY['', 'Acme', '-a', 'a-', 'a b', 'a.b', 'a_b', repeat('a', 64), NULL]) AS slug;
SELECT is(failure(format('SELECT opsadmin.create_tenant(%L, %L)', slug, 'x')), NULL, format('"%s" is a slug', left(slug, 20)))
FROM unnest(ARRAY['a', '7', 'a-b-c', repeat('a', 63)]) AS slug;
SELECT is(failure($$SELECT opsadmin.create_tenant('zone', 'Zone', 'Mars/Olympus')$$), 'OA425', 'a time zone must exist');
SELECT is(failure($$SELECT opsadmin.create_tenant('zone', 'Zone', NULL)$$), 'OA425', 'a time zone is required');
SELECT is(failure($$SELECT opsadmin.create_tenant('zero', 'Zero', id => 0)$$), 'OA425', 'an id is positive');
SELECT is(failure($$SELECT opsadmin.create_tenant('nameless', '')$$), 'OA425', 'a name is required');
SELECT is(failure(format('SELECT opsadmin.create_tenant(%L, %L, key => %L)', 'long', 'Long', repeat('k', 64))), 'OA425', 'a key has at most 63 bytes');
SELECT is(failure($$SELECT opsadmin.create_tenant('empty', 'Empty', key => '')$$), 'OA425', 'a key is not empty');
SELECT is(failure($$SELECT opsadmin.create_tenant('acme', 'Acme')$$), '23505', 'a slug belongs to one tenant');
SELECT is(failure($$SELECT opsadmin.create_tenant('twin', 'Twin', key => '7')$$), '23505', 'a key may not be another tenant''s id');
SELECT ok(opsadmin.create_tenant('keyed', 'Keyed', key => 'K-1') > 9, 'a tenant may have a key');

-- Actors.
SELECT matches(opsadmin.create_actor('kim@example.com', 'Kim'), '^invitation#[A-Za-z0-9_-]{43}$', 'create_actor() returns a link');
SELECT is((SELECT count(*) FROM opsadmin.actor WHERE password_hash IS NULL), 1::bigint, 'the actor has no password yet');
SELECT matches(opsadmin.create_actor('KIM@example.com', 'Kim Minji'), '^invitation#', 'an address is the same in upper case');
SELECT results_eq('SELECT email, display_name FROM opsadmin.actor', $$VALUES ('kim@example.com', 'Kim Minji')$$, 'so that the actor is only renamed');
SELECT is(count(*), 1::bigint, 'and the older link is gone') FROM opsadmin.secret WHERE purpose = 'invitation';
SELECT is(failure(format('SELECT opsadmin.create_actor(%L, %L)', email, 'x')), 'OA425', format('"%s" is no address', left(email, 20)))
FROM unnest(ARRAY['', 'kim', 'kim@', '@example.com', 'a b@example.com', 'a@b@c', repeat('a', 250) || '@example.com', NULL]) AS email;
SELECT is(failure($$SELECT opsadmin.create_actor('nameless@example.com', '')$$), 'OA425', 'an actor has a name');
SELECT ok(opsadmin.create_actor('lee@example.com', 'Lee') IS NOT NULL, 'a second actor');

-- Roles.
SELECT lives_ok($$SELECT opsadmin.define_role('stock', 'partner', '{product:read,product:update,discount:run,*:create,members:manage}')$$, 'define_role()');
SELECT lives_ok($$SELECT opsadmin.define_role('stock', 'partner', '{product:read}')$$, 'again changes its permissions');
SELECT is(permissions, '{product:read}', 'to what was given last') FROM opsadmin.access_role WHERE name = 'stock';
SELECT is(failure(format('SELECT opsadmin.define_role(%L, %L, %L)', name, site, permissions)), 'OA425', 'define_role() refuses ' || why)
FROM (VALUES ('Stock', 'partner', '{*}', 'a name in upper case'), (NULL, 'partner', '{*}', 'no name'), ('x', 'public', '{*}', 'an unknown site'), ('x', NULL, '{*}', 'no site'),
             ('x', 'partner', NULL, 'no permissions'), ('x', 'partner', '{product:fly}', 'an unknown verb'), ('x', 'partner', '{NULL}', 'a NULL'),
             ('x', 'partner', '{product}', 'a permission without a verb'), ('x', 'partner', '{"product:read; DROP"}', 'text behind a permission'),
             ('superadmin', 'internal', '{*}', 'a built-in role'), ('stock', 'internal', '{*}', 'another site for a role')) AS bad (name, site, permissions, why);
SELECT is(failure($$SELECT opsadmin.grant_role('kim@example.com', 'stock')$$), 'OA425', 'a partner''s role needs a tenant');
SELECT is(failure($$SELECT opsadmin.grant_role('kim@example.com', 'ops', 'acme')$$), 'OA425', 'an internal role has none');
SELECT is(failure($$SELECT opsadmin.grant_role('kim@example.com', 'nobody')$$), 'OA409', 'grant_role() of an unknown role');
SELECT is(failure($$SELECT opsadmin.grant_role('nobody@example.com', 'ops')$$), 'OA408', 'to an unknown actor');
SELECT is(failure($$SELECT opsadmin.grant_role('kim@example.com', 'stock', 'nowhere')$$), 'OA404', 'in an unknown tenant');
SELECT lives_ok($$SELECT opsadmin.grant_role('Kim@Example.com', 'stock', 'acme')$$, 'grant_role()');
SELECT lives_ok($$SELECT opsadmin.grant_role('kim@example.com', 'stock', 'acme')$$, 'again is no error');
SELECT lives_ok($$SELECT opsadmin.grant_role('lee@example.com', 'ops'), opsadmin.grant_role('lee@example.com', 'ops')$$, 'nor for an internal role');
SELECT is(count(*), 2::bigint, 'and grants nothing twice') FROM opsadmin.role_binding;
SELECT is(opsadmin.has_role('KIM@example.com', 'stock', 'acme'), true, 'has_role()');
SELECT is(opsadmin.has_role('kim@example.com', 'stock', 'globex'), false, 'not in another tenant');
SELECT is(opsadmin.has_role('kim@example.com', 'stock'), false, 'not without the tenant');
SELECT is(opsadmin.has_role('lee@example.com', 'ops'), true, 'an internal role');
SELECT is(opsadmin.has_role('nobody@example.com', 'ops'), false, 'nobody has none');
SELECT is(failure($$SELECT opsadmin.drop_role('stock')$$), '23503', 'a role that somebody has is not dropped');
SELECT is(failure($$SELECT opsadmin.revoke_role('kim@example.com', 'stock', 'globex')$$), 'OA409', 'revoke_role() of what is not there');
SELECT is(failure($$SELECT opsadmin.revoke_role('kim@example.com', 'stock')$$), 'OA409', 'nor without the tenant');
SELECT lives_ok($$SELECT opsadmin.revoke_role('kim@example.com', 'stock', 'acme')$$, 'revoke_role()');
SELECT is(opsadmin.has_role('kim@example.com', 'stock', 'acme'), false, 'and the role is gone');
SELECT lives_ok($$SELECT opsadmin.drop_role('stock')$$, 'drop_role()');
SELECT is(failure($$SELECT opsadmin.drop_role('stock')$$), 'OA409', 'of a role that does not exist');
SELECT is(failure($$SELECT opsadmin.drop_role('superadmin')$$), 'OA409', 'of a built-in role');
SELECT throws_ok($$INSERT INTO opsadmin.role_binding (actor_id, role_name, site, tenant_id) SELECT id, 'ops', 'internal', 1 FROM opsadmin.actor LIMIT 1$$,
                 '23514', NULL, 'the table itself refuses an internal binding with a tenant');

-- What the permissions of a role cover.
SELECT opsadmin.define_role('narrow', 'internal', '{product:read,discount:run,*:update}'), opsadmin.grant_role('kim@example.com', 'narrow') \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(opsadmin.can(permission), expected, format('can(''%s'')', permission))
FROM (VALUES ('product:read', true), ('product:update', true), ('shop:update', true), ('discount:run', true), ('product:delete', false), ('shop:read', false),
             ('products:read', false), ('product', false), ('product:', false), ('*', false), ('', false), ('*:update', true), ('audit:read', false)) AS ask (permission, expected);
SELECT is(opsadmin.can(NULL), NULL, 'can(NULL)');
COMMIT;
SELECT opsadmin.grant_role('kim@example.com', 'superadmin') \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(opsadmin.can('anything:manage'), true, '"*" covers everything');
SELECT results_eq('SELECT jsonb_array_elements_text(opsadmin.context() -> ''permissions'')', ARRAY['*', '*:update', 'discount:run', 'product:read'],
                  'the permissions of several roles add up');
COMMIT;

-- Nobody but a DBA.
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(failure(statement), '42501', 'not for staff: ' || statement)
FROM unnest(ARRAY['SELECT opsadmin.create_tenant(''x'', ''x'')', 'SELECT opsadmin.create_actor(''x@example.com'', ''x'')', 'SELECT opsadmin.grant_role(''lee@example.com'', ''superadmin'')',
                  'SELECT opsadmin.revoke_role(''kim@example.com'', ''superadmin'')', 'SELECT opsadmin.define_role(''x'', ''internal'', ''{*}'')', 'SELECT * FROM opsadmin.actor',
                  'SELECT * FROM opsadmin.secret', 'SELECT * FROM opsadmin.role_binding', 'SELECT opsadmin_private.permissions(1, ''internal'', NULL)',
                  'SELECT opsadmin_private.bind_actor(''internal'', 1, NULL)', 'SELECT opsadmin_private.bind_as(''kim@example.com'', NULL, NULL)', 'SELECT opsadmin.begin_as(tenant => ''acme'')']) AS statement;
ROLLBACK;

SELECT * FROM finish();
