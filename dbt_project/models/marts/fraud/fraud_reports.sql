select
    cast("TRANSACTION_ID" as bigint) as transaction_id,
    "TX_DATETIME" as tx_datetime,
    cast("CUSTOMER_ID" as bigint) as customer_id,
    cast("TERMINAL_ID" as bigint) as terminal_id,
    cast("TX_FRAUD" as bigint) as is_fraud,
    "TX_DATETIME" + interval 7 days as reported_at
from {{ source("fraud", "transactions") }}
