-- Puts the sample shop under opsadmin: what a DBA of such a company would run once. Variables of psql:
-- internal_password and partner_password, for the two sample people. Used by the demo and by the tests.

CREATE EXTENSION IF NOT EXISTS opsadmin;

-- The company's customers become tenants, under their own ids.
SELECT count(opsadmin.create_tenant(slug, name, time_zone, id => id)) AS tenants FROM accounts.customer;

-- Isolation: the shop's own application keeps seeing every row.
SELECT opsadmin.protect(t, trusted_roles => '{shop_app}')
FROM unnest(ARRAY['accounts.user_account', 'accounts.login_event', 'shop.shop', 'shop.category', 'shop.product', 'shop.review', 'orders."order"',
                  'orders.order_item']::regclass[]) AS t;

-- Audit: who changed which product, shop or order.
SELECT opsadmin.audit('shop.product', ignore => '{updated_at}');
SELECT opsadmin.audit('shop.shop');
SELECT opsadmin.audit('orders."order"');

-- The admin's lists.
SELECT opsadmin.expose('shop.product', label => '{"en":"Products","ko":"상품"}',
  list_columns => '{id,name,price,stock,is_public,shop_id,updated_at}', search_columns => '{name}',
  filter_columns => '{price,stock,is_public,shop_id,category_id,created_at,updated_at,name}', sort_columns => '{id,name,price,stock,updated_at}',
  column_labels => '{"id":{"en":"ID","ko":"번호"},"name":{"en":"Name","ko":"상품명"},"price":{"en":"Price","ko":"가격"},"stock":{"en":"Stock","ko":"재고"},
    "is_public":{"en":"Public","ko":"공개"},"shop_id":{"en":"Shop","ko":"상점"},"category_id":{"en":"Category","ko":"분류"},
    "created_at":{"en":"Created","ko":"등록일"},"updated_at":{"en":"Updated","ko":"수정일"}}');
SELECT opsadmin.expose('shop.shop', label => '{"en":"Shops","ko":"상점"}', search_columns => '{name,slug}',
  column_labels => '{"id":{"en":"ID","ko":"번호"},"tenant_id":{"en":"Tenant","ko":"고객사"},"slug":{"en":"Slug","ko":"슬러그"},"name":{"en":"Name","ko":"상점명"},
    "currency":{"en":"Currency","ko":"통화"},"created_at":{"en":"Created","ko":"등록일"}}');
SELECT opsadmin.expose('orders."order"', resource => 'order', label => '{"en":"Orders","ko":"주문"}',
  sort_columns => '{id,created_at}',
  column_labels => '{"id":{"en":"ID","ko":"번호"},"tenant_id":{"en":"Tenant","ko":"고객사"},"shop_id":{"en":"Shop","ko":"상점"},"user_id":{"en":"User","ko":"회원"},
    "amount":{"en":"Amount","ko":"금액"},"status":{"en":"Status","ko":"상태"},"created_at":{"en":"Ordered","ko":"주문일"}}');

-- What staff may do to many rows at once.
SELECT opsadmin.define_action('discount', 'shop.product', 'price = round(price * (1 - params.percent / 100), 2), updated_at = now()',
  params => '[{"name":"percent","type":"numeric","min":1,"max":90,"default":10,"label":{"en":"Percent","ko":"할인율(%)"}}]',
  label => '{"en":"Discount","ko":"할인"}');
SELECT opsadmin.define_action('publish', 'shop.product', 'is_public = params.visible, updated_at = now()',
  params => '[{"name":"visible","type":"boolean","default":true,"label":{"en":"Public","ko":"공개"}}]', condition => 'target.is_public <> params.visible',
  label => '{"en":"Publish or hide","ko":"공개 여부 변경"}');

-- The figures of each tenant's own day.
SELECT opsadmin.define_kpi('signups', 'accounts.user_account', 'created_at', label => '{"en":"Signups","ko":"가입"}');
SELECT opsadmin.define_kpi('dau', 'accounts.login_event', 'at', 'count(DISTINCT user_id)', label => '{"en":"Active users","ko":"활성 사용자"}');
SELECT opsadmin.define_kpi('orders', 'orders."order"', 'created_at', label => '{"en":"Orders","ko":"주문"}');
SELECT opsadmin.define_kpi('revenue', 'orders."order"', 'created_at', 'sum(amount)', 'status = ''PAID''', unit => 'money', label => '{"en":"Revenue","ko":"매출"}');
SELECT opsadmin.define_kpi('churned', 'accounts.user_account', 'closed_at', label => '{"en":"Churned","ko":"탈퇴"}');
SELECT opsadmin.refresh_kpi() AS kpi_values;

-- One of the company's own staff, and one of a tenant's; both choose their password through the invitation.
SELECT split_part(opsadmin.create_actor('ops@example.com', 'Ops'), '#', 2) AS internal_invitation,
       split_part(opsadmin.create_actor('partner@example.com', 'Partner'), '#', 2) AS partner_invitation \gset
SELECT opsadmin.accept_invitation(:'internal_invitation', :'internal_password'), opsadmin.accept_invitation(:'partner_invitation', :'partner_password');
SELECT opsadmin.grant_role('ops@example.com', 'superadmin'),
       opsadmin.grant_role('partner@example.com', 'partner_admin', (SELECT slug FROM opsadmin.tenant WHERE id = 1));
