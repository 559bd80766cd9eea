"""The training set of the credit model.

The label is whether the client is late next month. It is made from the next month's statement, so it is known when
that has come: 31 days later at most. The file that the columns are modelled on has a label of its own, a default in
the month after its last; it is there for one month only, so nothing could be learned from it that is tested later. It
is used for one check, in benchmarks/credit.py: whether these features reach the published accuracy on it.
"""

from assets.credit.features import balance, repayment
from lakehouse.training.training_set import Label, TrainingSet

training = TrainingSet(
    name="credit.training",
    spine="credit.stg_statements",
    row_key="statement_id",
    event_time="statement_date",
    carry=["client_id", "credit_limit"],
    label=Label(source="credit.late_payments", column="is_late_next", row_key="statement_id", known_at="known_at"),
    feature_sets=[repayment, balance],
    description="Each statement with what was known on its day, and whether the client was late a month after.",
    owner="team:lending",
)
