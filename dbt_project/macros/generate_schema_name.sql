{#- The schema is the domain and nothing else: one name for one thing. It is the folder below staging/ or marts/. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
  {{ custom_schema_name or (node.fqn[2] if node.fqn | length > 3 else target.schema) }}
{%- endmacro %}
