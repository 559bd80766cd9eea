select
    cast("TRANSACTION_ID" as bigint) as transaction_id,
    "TX_DATETIME" as tx_datetime,
    cast("CUSTOMER_ID" as bigint) as customer_id,
    cast("TERMINAL_ID" as bigint) as terminal_id,
    cast("TX_AMOUNT" as decimal(12, 2)) as amount
from {{ source("fraud", "transactions") }}
