-- ## begin_with_ticket
\ir ../sql/include/tickets.psql
SELECT ticket('{"name":"Zoë Kim"}') AS ticket \gset
