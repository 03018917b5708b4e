"""Recording rules, alerts and inhibitions, as data; ``written`` puts them into YAML."""
