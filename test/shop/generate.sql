-- Fills the empty tables of schema.sql with believable data of the last 90 days.
-- Deterministic: each value is a hash of its row's number, never random(), so the
-- same `scale` and `until` give the same rows, whatever the plan. Sizes are exact.
-- All times lie before `until`; nobody acts before signing up, nothing is sold
-- before it exists.
-- Variables of psql: scale (default 1), until (the newest moment; default now).
-- Run as a superuser.

\set ON_ERROR_STOP on
\if :{?scale}
\else
    \set scale 1
\endif
\if :{?until}
\else
    \set until now
\endif

\encoding UTF8
SET timezone = 'UTC';
SET work_mem = '128MB';
SET maintenance_work_mem = '256MB';

-- Sizes, and the three moments: the company starts (launch), the 90 days with
-- orders and logins begin (opening), and end (until).
SELECT greatest(1, round(20 * sqrt(:scale)))::int AS tenants,
       (100 * :scale)::int AS shops,
       (50000 * :scale)::int AS products,
       (18000 * :scale)::int AS early_users,
       (12000 * :scale)::int AS late_users,
       (500000 * :scale)::int AS logins,
       (300000 * :scale)::int AS orders,
       (40000 * :scale)::int AS reviews,
       :'until'::timestamptz AS until,
       :'until'::timestamptz - interval '90 days' AS opening,
       :'until'::timestamptz - interval '730 days' AS launch
\gset

-- A number in [0, 1), an integer in [0, below), and an element, all by hash.
-- A salt belongs to one use, so that columns do not correlate.
CREATE FUNCTION pg_temp.unit(n bigint, salt int) RETURNS float8 LANGUAGE sql IMMUTABLE
RETURN (hashint8extended(n, salt) & 9007199254740991) / 9007199254740992::float8;

CREATE FUNCTION pg_temp.pick(n bigint, salt int, below int) RETURNS int LANGUAGE sql IMMUTABLE
RETURN ((hashint8extended(n, salt) & 9223372036854775807) % below)::int;

CREATE FUNCTION pg_temp.pick(n bigint, salt int, list text[]) RETURNS text LANGUAGE sql IMMUTABLE
RETURN list[1 + pg_temp.pick(n, salt, cardinality(list))];

-- A rank in 1 … among: the newest are favoured, and of every twenty one is a
-- favourite that takes a third of all.
CREATE FUNCTION pg_temp.favour(n bigint, salt int, among int) RETURNS int LANGUAGE sql IMMUTABLE
RETURN (SELECT CASE WHEN pg_temp.pick(n, salt + 1, 3) = 0 THEN greatest(1, r - r % 20) ELSE r END
        FROM (SELECT among - floor(among * pg_temp.unit(n, salt) ^ 2)::int AS r) AS ranked);

-- What falls to a weight when `number` things are dealt by running sums of
-- weights: whole numbers whose sum is `number`.
CREATE FUNCTION pg_temp.deal(number int, weight bigint, running numeric, total numeric)
RETURNS int LANGUAGE sql IMMUTABLE
RETURN div(number * running, total) - div(number * (running - weight), total);

-- Loading is faster without indexes and foreign keys, and adding the keys again
-- proves the data. Their definitions wait here.
CREATE TEMP TABLE set_aside AS
SELECT 2 AS step,
       format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS remove,
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname,
              pg_get_constraintdef(oid)) AS restore
FROM pg_constraint
WHERE contype = 'f' AND connamespace IN ('accounts'::regnamespace, 'shop'::regnamespace, 'orders'::regnamespace)
UNION ALL
SELECT 1, format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relnamespace IN ('accounts'::regnamespace, 'shop'::regnamespace, 'orders'::regnamespace)
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'));

SELECT remove FROM set_aside ORDER BY step DESC, remove \gexec

-- Customers, by Zipf: the second is half as large as the first, and so on.
-- `rate` is how many of the currency a thousand won are; `list` repeats beyond 20.
CREATE TEMP TABLE tenant AS
WITH list (n, slug, name, time_zone, currency, rate) AS (VALUES
    (1, 'haneul-market', '하늘마켓', 'Asia/Seoul', 'KRW', 1000),
    (2, 'maple-and-oak', 'Maple & Oak', 'America/New_York', 'USD', 0.75),
    (3, 'dalbit-living', '달빛리빙', 'Asia/Seoul', 'KRW', 1000),
    (4, 'lindenhof', 'Lindenhof Goods', 'Europe/Berlin', 'EUR', 0.70),
    (5, 'kawabe-select', 'Kawabe Select', 'Asia/Tokyo', 'JPY', 110),
    (6, 'oneul-store', '오늘상점', 'Asia/Seoul', 'KRW', 1000),
    (7, 'casa-aurora', 'Casa Aurora', 'America/Sao_Paulo', 'BRL', 4),
    (8, 'southern-tide', 'Southern Tide Supply', 'Australia/Sydney', 'AUD', 1.15),
    (9, 'meridian-direct', 'Meridian Direct', 'UTC', 'USD', 0.75),
    (10, 'sol-gift', '솔선물가게', 'Asia/Seoul', 'KRW', 1000),
    (11, 'thames-pantry', 'Thames Pantry', 'Europe/London', 'GBP', 0.60),
    (12, 'redwood-home', 'Redwood Home', 'America/Los_Angeles', 'USD', 0.75),
    (13, 'merlion-mart', 'Merlion Mart', 'Asia/Singapore', 'SGD', 1),
    (14, 'badaro', '바다로', 'Asia/Seoul', 'KRW', 1000),
    (15, 'saffron-lane', 'Saffron Lane', 'Asia/Kolkata', 'INR', 62),
    (16, 'prairie-post', 'Prairie Post', 'America/Chicago', 'USD', 0.75),
    (17, 'atelier-colombe', 'Atelier Colombe', 'Europe/Paris', 'EUR', 0.70),
    (18, 'sanchaek', '산책문구', 'Asia/Seoul', 'KRW', 1000),
    (19, 'kauri-co', 'Kauri & Co', 'Pacific/Auckland', 'NZD', 1.25),
    (20, 'polar-basket', 'Polar Basket', 'Europe/Helsinki', 'EUR', 0.70)),
weighed AS (
    SELECT id, (1000000 / id)::bigint AS weight,
           sum(1000000 / id) OVER (ORDER BY id) AS running, sum(1000000 / id) OVER () AS total
    FROM generate_series(1, :tenants) AS id)
SELECT id, weight, time_zone, currency, rate, currency = 'KRW' AS korean,
       slug || CASE WHEN id > 20 THEN '-' || (id + 19) / 20 ELSE '' END AS slug,
       name || CASE WHEN id > 20 THEN ' ' || (id + 19) / 20 ELSE '' END AS name,
       1 + pg_temp.deal(greatest(:shops - :tenants, 0), weight, running, total) AS shops,
       1 + pg_temp.deal(greatest(:products - :tenants, 0), weight, running, total) AS products,
       1 + pg_temp.deal(greatest(:early_users - :tenants, 0), weight, running, total) AS early_users
FROM weighed JOIN list ON n = 1 + (id - 1) % 20;

INSERT INTO accounts.customer (id, slug, name, time_zone, created_at)
SELECT id, slug, name, time_zone, :'launch'::timestamptz - (90 - 3 * (id % 30)) * interval '1 day'
FROM tenant ORDER BY id;

-- The busy and the quiet: for each tenant and hour of the 90 days a weight, from
-- its local hour and weekday, a slow growth, chance, and now and then a sale.
-- `…_end` is the running sum; users_before counts those signed up by that hour.
CREATE TEMP TABLE busy AS
WITH hours AS (
    SELECT tenant.id AS tenant_id, tenant.weight, tenant.early_users, i,
           :'opening'::timestamptz + i * interval '1 hour' AS hour, time_zone
    FROM tenant, generate_series(0, 90 * 24 - 1) AS i),
weighed AS (
    SELECT tenant_id, early_users, hour,
           (weight
            * ('{30,18,11,8,7,8,14,26,42,55,66,72,80,74,66,64,64,66,70,80,94,100,88,58}'::int[])
              [1 + date_part('hour', hour AT TIME ZONE time_zone)::int] / 100
            * ('{1.00,0.95,0.94,0.97,1.06,1.20,1.28}'::float8[])
              [date_part('isodow', hour AT TIME ZONE time_zone)::int]
            * (1 + 0.3 * i / (90 * 24))
            * (0.6 + 0.8 * pg_temp.unit(tenant_id * 10000 + i, 1))
            * CASE WHEN pg_temp.pick(tenant_id * 10000 + (hour AT TIME ZONE time_zone)::date
                                     - :'opening'::date, 2, 40) = 0 THEN 1.8 ELSE 1 END
           )::bigint AS weight
    FROM hours),
summed AS (
    SELECT *, sum(weight) OVER (ORDER BY tenant_id, hour) AS running, sum(weight) OVER () AS total
    FROM weighed),
dealt AS (
    SELECT tenant_id, hour, early_users,
           pg_temp.deal(:late_users, weight, running, total) AS signups,
           pg_temp.deal(:logins, weight, running, total) AS logins,
           div(:logins * running, total)::int AS logins_end,
           pg_temp.deal(:orders, weight, running, total) AS orders,
           div(:orders * running, total)::int AS orders_end
    FROM summed)
SELECT tenant_id, hour, signups, logins, logins_end, orders, orders_end,
       (early_users + sum(signups) OVER (PARTITION BY tenant_id ORDER BY hour) - signups)::int AS users_before
FROM dealt;

-- Users, before anything they do. One in five leaves some day (closed_at); what
-- would be theirs after that is done by their stand-in, who signed up just before
-- them and never leaves.
CREATE TEMP TABLE member AS
WITH signup AS (
    SELECT id AS tenant_id, n,
           :'launch'::timestamptz + (n - 1 + pg_temp.unit(id * 100000000::bigint + n, 3)) / early_users
               * (:'opening'::timestamptz - :'launch'::timestamptz) AS created_at
    FROM tenant, generate_series(1, early_users) AS n
    UNION ALL
    SELECT tenant_id, users_before + n,
           hour + pg_temp.unit(tenant_id * 100000000::bigint + users_before + n, 3) * interval '1 hour'
    FROM busy, generate_series(1, signups) AS n)
SELECT id, tenant_id, rank, created_at,
       CASE WHEN leaves_at < :'until'::timestamptz THEN leaves_at END AS closed_at,
       lag(id) OVER (PARTITION BY tenant_id ORDER BY rank) AS stand_in
FROM (SELECT tenant_id, created_at, row_number() OVER (ORDER BY created_at, tenant_id, n) AS id,
             row_number() OVER (PARTITION BY tenant_id ORDER BY created_at, n)::int AS rank
      FROM signup) AS ranked
CROSS JOIN LATERAL (SELECT CASE WHEN rank % 5 = 3
    THEN created_at + pg_temp.unit(id, 8) ^ 2 * interval '400 days' END AS leaves_at) AS leaving;
ANALYZE member;

INSERT INTO accounts.login_event (id, tenant_id, user_id, at, ip)
SELECT row_number() OVER (ORDER BY at, n), tenant_id, who, at,
       CASE WHEN who % 6 = 0
            THEN inet '2001:db8::' + (pg_temp.pick(place, 6, 1000000)::bigint << 24) + pg_temp.pick(place, 7, 65536)
            ELSE inet '198.18.0.0' + pg_temp.pick(place, 6, 131072) END
FROM (SELECT tenant_id, n, hour + pg_temp.unit(n, 4) * interval '1 hour' AS at,
             pg_temp.favour(n, 40, users_before) AS rank
      FROM busy, generate_series(logins_end - logins + 1, logins_end) AS n) AS login
JOIN member USING (tenant_id, rank)
CROSS JOIN LATERAL (SELECT CASE WHEN at > closed_at THEN stand_in ELSE id END AS who) AS actual
-- One in eight comes from elsewhere than usual. The addresses are of ranges for tests.
CROSS JOIN LATERAL (SELECT CASE WHEN pg_temp.pick(n, 5, 8) = 0 THEN -n ELSE who END AS place) AS origin
ORDER BY 1;

\ir catalogue.sql

-- Orders without their amounts. `first_item` numbers the lines through.
CREATE TEMP TABLE draft AS
WITH placed AS (
    SELECT tenant_id, n, users_before, hour + pg_temp.unit(n, 30) * interval '1 hour' AS created_at,
           1 + floor(tenant.shops * pg_temp.unit(n, 31) ^ 2)::int AS shop_rank,
           ('{1,1,1,1,2,2,2,3,3,4}'::int[])[1 + pg_temp.pick(n, 32, 10)] AS items
    FROM busy JOIN tenant ON tenant.id = tenant_id,
         generate_series(orders_end - orders + 1, orders_end) AS n)
SELECT row_number() OVER (ORDER BY placed.created_at, n) AS id, placed.tenant_id, outlet.id AS shop_id,
       CASE WHEN placed.created_at > closed_at THEN stand_in ELSE member.id END AS user_id, placed.created_at, items,
       sum(items) OVER (ORDER BY placed.created_at, n) - items AS first_item,
       -- What the shop had on sale at that moment.
       greatest(1, floor(products * date_part('epoch', placed.created_at - :'launch'::timestamptz)
                         / (730 * 86400))::int) AS on_sale
FROM placed
JOIN member ON member.tenant_id = placed.tenant_id AND member.rank = pg_temp.favour(n, 42, users_before)
JOIN outlet ON outlet.tenant_id = placed.tenant_id AND outlet.rank = shop_rank
JOIN (SELECT shop_id, count(*) AS products FROM goods GROUP BY shop_id) AS stocked ON stocked.shop_id = outlet.id
ORDER BY 1;
ANALYZE draft;

INSERT INTO orders.order_item (id, tenant_id, order_id, product_id, quantity, unit_price)
SELECT n, line.tenant_id, line.id, goods.id, ('{1,1,1,1,1,1,2,2,3,5}'::int[])[1 + pg_temp.pick(n, 34, 10)], price
FROM (SELECT draft.*, first_item + line AS n, pg_temp.favour(first_item + line, 44, on_sale) AS rank
      FROM draft, generate_series(1, items) AS line) AS line
JOIN goods ON goods.shop_id = line.shop_id AND goods.rank = line.rank
ORDER BY n;

INSERT INTO orders."order" (id, tenant_id, shop_id, user_id, amount, status, created_at)
SELECT draft.id, tenant_id, shop_id, user_id, amount,
       CASE WHEN chance < 0.04 THEN 'CANCELLED'
            WHEN chance < 0.30 AND created_at > :'until'::timestamptz - interval '1 day' THEN 'PENDING'
            WHEN chance < 0.07 AND created_at < :'until'::timestamptz - interval '2 days' THEN 'REFUNDED'
            ELSE 'PAID' END,
       created_at
FROM draft
JOIN (SELECT order_id, sum(quantity * unit_price) AS amount FROM orders.order_item GROUP BY order_id) AS summed
     ON order_id = draft.id
CROSS JOIN LATERAL (SELECT pg_temp.unit(draft.id, 35) AS chance) AS fate
ORDER BY 1;

-- Reviews: of what was paid, evenly over the orders, some days later.
INSERT INTO shop.review (id, tenant_id, product_id, user_id, rating, body, created_at)
WITH could AS (
    SELECT o.id AS bought, o.tenant_id, o.user_id, first_item + 1 AS item_id, at,
           row_number() OVER (ORDER BY o.id) AS n, count(*) OVER () AS total
    FROM orders."order" AS o JOIN draft USING (id) JOIN member ON member.id = o.user_id
    CROSS JOIN LATERAL (SELECT o.created_at + (2 + 12 * pg_temp.unit(o.id, 50)) * interval '1 day' AS at) AS later
    WHERE status = 'PAID' AND at < coalesce(closed_at, :'until'))
SELECT row_number() OVER (ORDER BY at, bought), could.tenant_id, product_id, user_id, rating,
       pg_temp.pick(bought, 52, CASE
           WHEN korean AND rating >= 4 THEN '{배송도 빠르고 마음에 들어요,선물했는데 좋아하네요,재구매했습니다,사진과 똑같아요,가격 대비 만족합니다,포장이 꼼꼼해요}'::text[]
           WHEN korean THEN '{생각보다 작아요,배송이 늦었습니다,보통이에요,색이 사진과 조금 달라요,설명이 부족합니다}'::text[]
           WHEN rating >= 4 THEN '{"Exactly as described, arrived quickly.","Bought it again.","A lovely gift.","Great value for the price.","Well packed, looks just like the picture.","Better than I expected."}'::text[]
           ELSE '{"Smaller than I thought.","Delivery took too long.","It is all right.","The colour differs from the picture.","Instructions were missing."}'::text[] END),
       at
FROM could
JOIN orders.order_item ON order_item.id = item_id
JOIN tenant ON tenant.id = could.tenant_id
CROSS JOIN LATERAL (SELECT ('{5,5,5,5,5,4,4,4,3,3,2,1}'::smallint[])[1 + pg_temp.pick(bought, 51, 12)] AS rating) AS given
WHERE n * :reviews / total > (n - 1) * :reviews / total
ORDER BY 1;

-- Users last, since last_seen_at is known only now.
INSERT INTO accounts.user_account (id, tenant_id, email, display_name, created_at, last_seen_at, closed_at)
WITH seen AS (
    SELECT user_id, max(at) AS at
    FROM (SELECT user_id, at FROM accounts.login_event
          UNION ALL SELECT user_id, created_at FROM orders."order"
          UNION ALL SELECT user_id, created_at FROM shop.review) AS visit
    GROUP BY user_id)
SELECT member.id, tenant_id,
       format('%s.%s%s@example.%s', given[2], family[2], member.id, pg_temp.pick(member.id, 62, '{com,net,org}'::text[])),
       CASE WHEN korean THEN family[1] || given[1] ELSE given[1] || ' ' || family[1] END,
       created_at,
       -- Who did nothing in the 90 days was last seen at some time before.
       coalesce(seen.at, created_at + pg_temp.unit(member.id, 63)
                         * greatest(least(:'opening', closed_at) - created_at, interval '0')),
       closed_at
FROM member
JOIN tenant ON tenant.id = tenant_id
LEFT JOIN seen ON user_id = member.id
CROSS JOIN LATERAL (SELECT
    string_to_array(pg_temp.pick(member.id, 60, CASE WHEN korean
        THEN '{김/kim,김/kim,김/kim,이/lee,이/lee,박/park,박/park,최/choi,정/jung,강/kang,조/cho,윤/yoon,장/jang,임/lim,한/han,오/oh,서/seo,신/shin,권/kwon,황/hwang}'::text[]
        ELSE '{Smith/smith,Johnson/johnson,Müller/mueller,Tanaka/tanaka,Silva/silva,Brown/brown,Garcia/garcia,Nguyen/nguyen,Patel/patel,Wilson/wilson,Santos/santos,Sato/sato,Martin/martin,Walker/walker,Schmidt/schmidt,Murphy/murphy,Virtanen/virtanen,Campbell/campbell,Khan/khan,Rossi/rossi}'::text[] END), '/') AS family,
    string_to_array(pg_temp.pick(member.id, 61, CASE WHEN korean
        THEN '{민준/minjun,서연/seoyeon,도윤/doyun,지우/jiwoo,예준/yejun,서윤/seoyun,시우/siwoo,하은/haeun,주원/juwon,수빈/subin,지호/jiho,유진/yujin,현우/hyunwoo,은지/eunji,준서/junseo,채원/chaewon,성민/sungmin,다은/daeun,영호/youngho,미경/mikyung,승현/seunghyun,소영/soyoung}'::text[]
        ELSE '{Emma/emma,Liam/liam,Olivia/olivia,Noah/noah,Ava/ava,Lucas/lucas,Mia/mia,Hana/hana,Leon/leon,Sofia/sofia,Kenji/kenji,Grace/grace,Oliver/oliver,Priya/priya,Mateo/mateo,Chloe/chloe,Daniel/daniel,Anna/anna,Jack/jack,Julia/julia,Arjun/arjun,Ella/ella}'::text[] END), '/') AS given) AS person
ORDER BY member.id;

SELECT restore FROM set_aside ORDER BY step, restore \gexec

-- The next row that the application inserts continues the numbers.
SELECT format('SELECT setval(pg_get_serial_sequence(%L, ''id''), max(id)) FROM %s', oid::regclass, oid::regclass)
FROM pg_class
WHERE relkind = 'r' AND relnamespace IN ('accounts'::regnamespace, 'shop'::regnamespace, 'orders'::regnamespace)
\o /dev/null
\gexec
\o

DROP TABLE set_aside, tenant, kind, busy, member, outlet, goods, draft;
DROP FUNCTION pg_temp.unit, pg_temp.pick(bigint, int, int), pg_temp.pick(bigint, int, text[]), pg_temp.favour, pg_temp.deal;

ANALYZE accounts.customer, accounts.user_account, accounts.login_event, shop.shop, shop.category,
        shop.product, shop.review, orders."order", orders.order_item;

RESET timezone;
RESET work_mem;
RESET maintenance_work_mem;
