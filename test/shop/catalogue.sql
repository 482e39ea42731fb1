-- The part of generate.sql that makes shops, categories and products, with the
-- words they are named with. It leaves the temporary tables outlet (a shop and its
-- rank in the tenant) and goods (a product and its rank in the shop) to the orders.

CREATE TEMP TABLE outlet AS
SELECT row_number() OVER (ORDER BY rank, id) AS id, id AS tenant_id, rank, called.slug, called.name, currency
FROM tenant, generate_series(1, shops) AS rank
CROSS JOIN LATERAL (SELECT
    CASE rank WHEN 1 THEN 'main' ELSE (branch.slugs)[1 + (rank - 2) % 15]
              || CASE WHEN rank > 16 THEN '-' || 1 + (rank - 2) / 15 ELSE '' END END AS slug,
    tenant.name || ' ' || CASE rank WHEN 1 THEN CASE WHEN korean THEN '본점' ELSE 'Main Store' END
              ELSE (CASE WHEN korean THEN korean_names ELSE english_names END)[1 + (rank - 2) % 15]
              || CASE WHEN rank > 16 THEN ' ' || 1 + (rank - 2) / 15 ELSE '' END END AS name
    FROM (VALUES (
        '{outlet,kids,garden,kitchen,gift,studio,pantry,travel,pets,office,craft,sports,refill,seasonal,vintage}'::text[],
        '{아울렛,키즈,가든,키친,선물관,스튜디오,식품관,트래블,펫,오피스,공방,스포츠,리필,시즌,빈티지}'::text[],
        '{Outlet,Kids,Garden,Kitchen,Gifts,Studio,Pantry,Travel,Pets,Office,Craft,Sports,Refill,Seasonal,Vintage}'::text[]
    )) AS branch (slugs, korean_names, english_names)) AS called;

INSERT INTO shop.shop (id, tenant_id, slug, name, currency, created_at)
SELECT id, tenant_id, slug, name, currency, :'launch'::timestamptz - pg_temp.pick(id, 10, 60) * interval '1 day'
FROM outlet ORDER BY id;

-- Nouns are korean/english/thousands of won; sizes are korean/english/factor.
CREATE TEMP TABLE kind (n int, name_ko text, name_en text, nouns text[], sizes text[]);
INSERT INTO kind VALUES
(0, '차와 커피', 'Tea & coffee',
 '{녹차/green tea/12,홍차/black tea/11,보리차/barley tea/6,루이보스/rooibos/10,원두커피/coffee beans/14,드립백/drip bags/13,캐모마일/chamomile/9,유자차/yuzu tea/11}',
 '{100g/100g/1,200g/200g/1.8,500g/500g/4,선물세트/gift set/3}'),
(1, '식료품', 'Pantry',
 '{아카시아 꿀/acacia honey/18,참기름/sesame oil/15,올리브유/olive oil/19,현미/brown rice/13,고추장/chilli paste/12,천일염/sea salt/7,볶은 아몬드/roasted almonds/14,딸기잼/strawberry jam/9}',
 '{소/small/1,중/medium/1.6,대/large/2.8,2개입/twin pack/1.9}'),
(2, '식기', 'Tableware',
 '{머그컵/stoneware mug/16,접시/dinner plate/18,국그릇/soup bowl/14,찻주전자/teapot/42,수저 세트/cutlery set/24,물병/carafe/22,와인잔/wine glass/19,도마/cutting board/28}',
 '{아이보리/ivory/1,회색/grey/1,2인 세트/set of two/1.9,4인 세트/set of four/3.6}'),
(3, '조리도구', 'Cookware',
 '{프라이팬/frying pan/45,냄비/saucepan/52,주물 냄비/cast-iron pot/120,칼/chef''s knife/68,국자/ladle/12,뒤집개/spatula/9,체/sieve/14,웍/wok/48}',
 '{20cm/20cm/1,24cm/24cm/1.2,28cm/28cm/1.4}'),
(4, '침구', 'Bedding',
 '{이불 커버/duvet cover/69,베개/pillow/32,담요/blanket/48,매트리스 커버/mattress cover/39,홑이불/cotton sheet/42,쿠션/cushion/22}',
 '{싱글/single/1,퀸/queen/1.3,킹/king/1.5}'),
(5, '욕실', 'Bath',
 '{수건/bath towel/14,비누/hand soap/8,샴푸/shampoo/18,바디로션/body lotion/21,칫솔/toothbrush/4,입욕제/bath salts/15,샤워커튼/shower curtain/23}',
 '{1개/single/1,3개입/pack of three/2.7,대용량/family size/2.2}'),
(6, '의류', 'Clothing',
 '{티셔츠/T-shirt/24,셔츠/linen shirt/49,니트/knit jumper/65,청바지/jeans/72,양말/socks/6,목도리/scarf/35,앞치마/apron/28,우비/raincoat/58}',
 '{S/S/1,M/M/1,L/L/1,XL/XL/1.05}'),
(7, '가방', 'Bags',
 '{에코백/tote bag/18,백팩/backpack/79,파우치/pouch/15,카드지갑/card holder/29,여행가방/suitcase/149,도시락 가방/lunch bag/22}',
 '{검정/black/1,남색/navy/1,베이지/beige/1,대형/large/1.4}'),
(8, '문구', 'Stationery',
 '{노트/notebook/7,만년필/fountain pen/45,연필 세트/pencil set/9,다이어리/planner/19,스티커/stickers/3,편지지/writing paper/6,마스킹테이프/masking tape/4,필통/pencil case/14}',
 '{A5/A5/1,B5/B5/1.2,한정판/limited edition/1.6}'),
(9, '조명', 'Lighting',
 '{책상 스탠드/desk lamp/59,무드등/night light/32,펜던트 조명/pendant lamp/98,촛대/candle holder/21,향초/scented candle/24,전구/light bulb/8}',
 '{따뜻한 빛/warm white/1,흰색/white/1,황동/brass/1.5}'),
(10, '식물과 정원', 'Plants & garden',
 '{화분/plant pot/16,몬스테라/monstera/34,물뿌리개/watering can/25,모종삽/hand trowel/11,허브 씨앗/herb seeds/4,배양토/potting soil/9,다육이/succulent/7}',
 '{소/small/1,중/medium/1.5,대/large/2.4}'),
(11, '장난감', 'Toys',
 '{나무 블록/wooden blocks/32,퍼즐/jigsaw puzzle/19,봉제인형/soft toy/24,보드게임/board game/38,색연필/colouring pencils/12,그림책/picture book/13,팽이/spinning top/8}',
 '{3세 이상/3+/1,5세 이상/5+/1.1,선물포장/gift-wrapped/1.2}');

-- Each tenant has six of the twelve kinds.
INSERT INTO shop.category (id, tenant_id, name)
SELECT (tenant.id - 1) * 6 + i + 1, tenant.id, CASE WHEN tenant.korean THEN name_ko ELSE name_en END
FROM tenant, generate_series(0, 5) AS i JOIN kind ON true
WHERE kind.n = (tenant.id * 5 + i) % 12
ORDER BY 1;

-- Products come at an even pace from launch to now, so that the number a shop
-- has on sale at a moment needs no look-up (see on_sale in generate.sql).
CREATE TEMP TABLE goods AS
WITH numbered AS (
    SELECT tenant.id AS tenant_id, n, tenant.id * 1000000000::bigint + n AS key,
           CASE WHEN n <= shops THEN n
                ELSE 1 + floor(shops * pg_temp.unit(tenant.id * 1000000000::bigint + n, 11) ^ 2)::int END AS shop_rank
    FROM tenant, generate_series(1, products) AS n),
placed AS (
    SELECT numbered.tenant_id, outlet.id AS shop_id, key,
           row_number() OVER (PARTITION BY outlet.id ORDER BY n)::int AS rank,
           count(*) OVER (PARTITION BY outlet.id)::int AS products
    FROM numbered JOIN outlet ON outlet.tenant_id = numbered.tenant_id AND outlet.rank = shop_rank),
dated AS (
    SELECT *, :'launch'::timestamptz + (rank - 1 + 0.8 * pg_temp.unit(key, 12)) / products * interval '730 days' AS created_at
    FROM placed)
SELECT row_number() OVER (ORDER BY created_at, key) AS id, dated.tenant_id, shop_id, rank,
       (dated.tenant_id - 1) * 6 + category + 1 AS category_id,
       concat_ws(' ', pg_temp.pick(key, 15, CASE
           WHEN korean AND kind.n < 2 THEN '{유기농,제주,국내산,수제,프리미엄,지리산,전통,무첨가}'::text[]
           WHEN korean THEN '{클래식,데일리,모던,내추럴,시그니처,프리미엄,친환경,새벽,포근한,작은,북유럽,핸드메이드}'::text[]
           WHEN kind.n < 2 THEN '{Organic,Wild,Fair-trade,Small-batch,Premium,Classic,Estate,Traditional}'::text[]
           ELSE '{Classic,Everyday,Modern,Natural,Signature,Premium,Nordic,Coastal,Heritage,Little,Weekend,Handmade}'::text[] END),
           CASE WHEN korean THEN noun[1] ELSE noun[2] END,
           CASE WHEN korean THEN size[1] ELSE size[2] END) AS name,
       CASE currency WHEN 'KRW' THEN round(worth, -2)
                     WHEN 'JPY' THEN round(worth, -1)
                     ELSE floor(worth) + ('{0.99,0.90,0.50}'::numeric[])[1 + pg_temp.pick(key, 17, 3)] END AS price,
       CASE WHEN pg_temp.pick(key, 18, 12) = 0 THEN 0 ELSE pg_temp.pick(key, 19, 400) END AS stock,
       pg_temp.pick(key, 20, 10) > 0 AS is_public,
       jsonb_build_object('sku', format('%s-%s', upper(left(noun[2], 3)), 10000 + pg_temp.pick(key, 21, 90000)),
                          'size', size[2],
                          'weight_g', 50 * (1 + pg_temp.pick(key, 22, 60)))
       || CASE WHEN pg_temp.pick(key, 23, 5) = 0 THEN '{"giftable": true}' ELSE '{}' END::jsonb AS attrs,
       created_at, created_at + pg_temp.unit(key, 24) * (:'until'::timestamptz - created_at) AS updated_at
FROM dated
JOIN tenant ON tenant.id = dated.tenant_id
CROSS JOIN LATERAL (SELECT pg_temp.pick(key, 13, 6) AS category) AS chosen
JOIN kind ON kind.n = (tenant.id * 5 + category) % 12
CROSS JOIN LATERAL (SELECT string_to_array(pg_temp.pick(key, 14, nouns), '/') AS noun,
                           string_to_array(pg_temp.pick(key, 16, sizes), '/') AS size) AS words
CROSS JOIN LATERAL (SELECT rate * noun[3]::numeric * size[3]::numeric
                           * (85 + pg_temp.pick(key, 25, 41)) / 100 AS worth) AS valued
ORDER BY 1;
ANALYZE goods;

INSERT INTO shop.product (id, tenant_id, shop_id, category_id, name, price, stock, is_public, attrs, created_at, updated_at)
SELECT id, tenant_id, shop_id, category_id, name, price, stock, is_public, attrs, created_at, updated_at
FROM goods ORDER BY id;
