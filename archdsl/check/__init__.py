"""The type check, once for a block with symbols and once for each application with numbers.

One walk evaluates: a body evaluates expressions, an expression applies blocks, and what a block
promises is made of expressions again. So these three files call one another.

| file | what it holds |
|---|---|
| `body.py` | statements, whole bodies, those of scans and loops |
| `expressions.py` | the order of evaluation; arguments and defaults of blocks |
| `apply.py` | signatures and conditions evaluated; application |

All others are rules. A rule takes values and a scope, and gives a value or a diagnostic. It never
evaluates an expression, and imports none of the three.

| file | what it holds |
|---|---|
| `values.py` | what an expression can mean |
| `scope.py` | the world of one body: names, assumptions, numbers |
| `work.py` | a bound on all of it |
| `names.py` | what a name means |
| `operators.py` | operators and choices |
| `statics.py` | numbers and words known in advance |
| `lists.py` | lists known in advance: items, parts, functions |
| `tensors.py` | elementwise operations and broadcasting |
| `matching.py` | names of a pattern against axes |
| `patterns.py` | operations with axes patterns |
| `kinds.py` | values of settings, each of its kind |
| `recipes.py` | blocks with their settings, ties |
| `chains.py` | blocks in a row as one; operations in slots |
| `interface.py` | inputs, results, conditions and slots against what a block promises |
| `submodules.py` | the node and the submodule of an application |
| `schedules.py` | stacks and what repeats in them |
| `side_by_side.py` | lists of blocks that are applied |
| `experts.py` | banks and mixtures |
| `context.py` | `given` and `give` |
| `recurrence.py` | windows, scans, loops |
| `declarations.py` | the head of a block |
| `parameters.py` | what a block holds, and what it begins as |
| `caches.py` | what a block keeps of earlier tokens |
| `bindings.py` | names and what they are bound to; `share` and `apart` |
| `hubs.py` | lines of `hub ... config` |
| `mapped.py` | kinds of what these lines give settings |
| `recursion.py` | blocks that contain themselves |

What is not checked: that a computation is numerically sensible, that an initialiser is a good one,
and equalities that need a solver (`//` and `%` are opaque but for what a `where` licenses).
"""
