"""One module for each kind of rule: declaration, conditions, pandera check, ODCS, description and changes together.

A rule on the values of one column subclasses `ColumnRule` (column_rule.py), one on a whole table `TableRule`
(table_rule.py). A module in this package is found by the registry (registry.py) without being listed anywhere.
"""
