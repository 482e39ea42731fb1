SELECT opsadmin.expose('shop.product');
