{#- A model as an Iceberg table. The plugin runs the SQL, writes the rows to an audit branch, and points the model's
    relation at that branch, so that tests and later models read what is about to be published, and nobody else does. -#}
{% materialization iceberg, adapter="duckdb" %}
  {%- set target = this.incorporate(type="view") -%}
  {{ run_hooks(pre_hooks) }}
  {% do adapter.store_relation("lakehouse", target, [], "", "", {"sql": compiled_code, "unique_id": model.unique_id}) %}
  {% call statement("main") %}
    select count(*) from {{ target }}
  {% endcall %}
  {{ run_hooks(post_hooks) }}
  {{ return({"relations": [target]}) }}
{% endmaterialization %}
