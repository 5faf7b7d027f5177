"""The type check, once for a block with symbols and once for each application with numbers.

| file | what it holds |
|---|---|
| `values.py` | what an expression can mean |
| `scope.py` | the world of one body: names, assumptions, numbers |
| `work.py` | a bound on all of it |
| `names.py` | what a name means |
| `operators.py` | operators and choices of values |
| `expressions.py` | names, choices, calls, pipes |
| `statics.py` | numbers, words and lists known in advance |
| `tensors.py` | elementwise operations and broadcasting |
| `matching.py` | names of a pattern against axes |
| `patterns.py` | operations with axes patterns |
| `experts.py` | banks and mixtures |
| `interface.py` | what a signature, a condition, a slot asks for |
| `recipes.py` | settings and ties of a block |
| `submodules.py` | the node and the submodule of an application |
| `apply.py` | signatures evaluated; application |
| `schedules.py` | stacks and what repeats in them |
| `context.py` | `given` and `give` |
| `bindings.py` | `share` and `apart` |
| `kinds.py` | values of settings, each of its kind |
| `recurrence.py` | windows, scans, loops |
| `hubs.py` | lines of `hub ... config` |
| `recursion.py` | blocks that contain themselves |
| `body.py` | statements, and whole bodies |

What is not checked: that a computation is numerically sensible, that an initialiser is a good one,
and equalities that need a solver (`//` and `%` are opaque but for what a `where` licenses).
"""
