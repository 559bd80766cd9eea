select
    client_id * 1000000 + year(statement_date) * 100 + month(statement_date) as statement_id,
    statement_date,
    client_id,
    cast(credit_limit as decimal(12, 2)) as credit_limit,
    cast(pay_status as bigint) as pay_status,
    cast(case when pay_status >= 1 then 1 else 0 end as bigint) as is_late,
    cast(bill_amount as decimal(12, 2)) as bill_amount,
    cast(pay_amount as decimal(12, 2)) as pay_amount,
    cast(coalesce(bill_amount / nullif(credit_limit, 0), 0) as decimal(12, 4)) as utilisation
from {{ source("credit", "statements") }}
