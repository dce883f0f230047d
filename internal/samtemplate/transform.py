"""Translates {"template", "parameters"} from standard input as AWS does, into CloudFormation on standard output."""
import json
import sys

from samtranslator.translator.transform import transform


class NoManagedPolicies:
    """The template uses no managed policies of AWS, so AWS need not be asked for them."""

    def load(self):
        return {}


given = json.load(sys.stdin)
json.dump(transform(given["template"], given["parameters"] or {}, NoManagedPolicies()), sys.stdout)
