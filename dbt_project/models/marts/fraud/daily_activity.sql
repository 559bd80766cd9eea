select
    date_trunc('day', tx_datetime)::timestamp as day,
    count(*) as transactions,
    count(distinct customer_id) as customers,
    count(distinct terminal_id) as terminals,
    cast(sum(amount) as decimal(18, 2)) as amount
from {{ ref("stg_transactions") }}
group by 1
