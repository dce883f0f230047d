"""Translates {"templates", "parameters"} from standard input as AWS does, into CloudFormation on standard output."""
import json
import sys

from samtranslator.translator.transform import transform


class NoManagedPolicies:
    """The template uses no managed policies of AWS, so AWS need not be asked for them."""

    def load(self):
        return {}


given = json.load(sys.stdin)
parameters = given["parameters"] or {}
json.dump([transform(template, parameters, NoManagedPolicies()) for template in given["templates"]], sys.stdout)
