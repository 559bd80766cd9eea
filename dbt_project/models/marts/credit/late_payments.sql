select
    this_month.statement_id,
    this_month.statement_date,
    this_month.client_id,
    next_month.is_late as is_late_next,
    this_month.statement_date + interval 31 days as known_at
from {{ ref("stg_statements") }} as this_month
inner join {{ ref("stg_statements") }} as next_month
    on
        this_month.client_id = next_month.client_id
        and date_trunc('month', next_month.statement_date) = date_trunc('month', this_month.statement_date) + interval 1 month
