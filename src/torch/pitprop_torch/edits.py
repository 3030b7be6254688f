"""Changes of the hooks as edits of the user's own file: a diff that can be applied.

Each method of Edits is one change. It edits where the place is plain to see in the source (one line, one
candidate), and gives up where it is not: the words of the remedy stand in any case."""

import ast
import difflib
import re

CALLS = {"mse": "mse_loss", "mae": "l1_loss", "huber": "smooth_l1_loss", "bce": "binary_cross_entropy",
         "bce_logits": "binary_cross_entropy_with_logits", "cross_entropy": "cross_entropy",
         "cross_entropy_logits": "cross_entropy"}
MODULES = {"relu": "ReLU", "leaky_relu": "LeakyReLU", "gelu": "GELU", "silu": "SiLU", "tanh": "Tanh",
           "sigmoid": "Sigmoid", "softplus": "Softplus", "softmax": "Softmax"}
LOSS_MODULES = {"mse": "MSELoss", "mae": "L1Loss", "huber": "SmoothL1Loss", "bce": "BCELoss", "bce_logits": "BCEWithLogitsLoss",
                "cross_entropy": "CrossEntropyLoss", "cross_entropy_logits": "CrossEntropyLoss"}
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop", "adagrad": "Adagrad"}


class Unclear(Exception):
    """There is no one place for the edit."""


def name_of(call):
    """backward of loss.backward(): the last word of what is called."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def the(found):
    found = list(found)
    if len(found) != 1:
        raise Unclear
    return found[0]


class Edits:
    def __init__(self, path, capture):
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        self.capture = capture
        self.path, self.lines = path, self.text.splitlines()
        self.calls = [n for n in ast.walk(ast.parse(self.text)) if isinstance(n, ast.Call) and n.lineno == n.end_lineno]
        self.spans, self.before, self.after, self.gone = [], {}, {}, set()

    # ---- places ----

    def named(self, *names):
        return [c for c in self.calls if name_of(c) in names]

    def of(self, node):
        """Source of a node; ASCII offsets are bytes, as the parser counts."""
        return self.lines[node.lineno - 1].encode()[node.col_offset : node.end_col_offset].decode()

    def replace(self, node, text):
        self.spans.append((node.lineno, node.col_offset, node.end_col_offset, text))

    def add_line(self, number, text, after=False):
        old = self.lines[number - 1]
        indent = old[: len(old) - len(old.lstrip())]
        (self.after if after else self.before).setdefault(number, []).append(indent + text)

    def remove_line(self, number):
        self.gone.add(number)

    def keyword(self, call, key, value):
        """The call with one keyword changed or added."""
        found = [k for k in call.keywords if k.arg == key]
        if found:
            self.replace(found[0].value, value)
        elif key == "lr" and len(call.args) > 1:
            self.replace(call.args[1], value)
        else:
            end = call.end_col_offset - 1
            self.spans.append((call.lineno, end, end, f", {key}={value}" if call.args or call.keywords else f"{key}={value}"))

    def unwrap(self, call):
        """f(x) becomes x; x.f() becomes x."""
        inside = call.args[0] if call.args and not self.is_method(call) else getattr(call.func, "value", None)
        if inside is None:
            raise Unclear
        self.replace(call, self.of(inside))

    @staticmethod
    def is_method(call):
        """x.detach(), but not F.softmax(x) or torch.sigmoid(x)."""
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        return owner is not None and not (isinstance(owner, ast.Name) and owner.id in ("F", "torch", "nn", "functional"))

    def result(self):
        """The lines after all edits."""
        lines = []
        for number, old in enumerate(self.lines, 1):
            lines += self.before.get(number, [])
            data = old.encode()
            for _, start, end, text in sorted((s for s in self.spans if s[0] == number), reverse=True):
                data = data[:start] + text.encode() + data[end:]
            if number not in self.gone:
                lines.append(data.decode())
            lines += self.after.get(number, [])
        return lines

    def diff(self, name):
        rows = list(difflib.unified_diff(self.lines, self.result(), name, name, n=1, lineterm=""))
        return rows

    def make(self, changes):
        """Makes those that it can; the others."""
        left = []
        for change in changes:
            words = dict(change)
            method = getattr(self, "do_" + words.pop("do"), None)
            try:
                if method is None:
                    raise Unclear
                method(**words)
            except (Unclear, KeyError, IndexError):
                left.append(change)
        return left

    # ---- optimiser ----

    def optimizer(self):
        """The call that builds it."""
        used = self.capture["optimizers"] or self.capture["built"]
        return the(self.named(used[0]["name"]))

    def do_rate(self, times):
        settings = (self.capture["optimizers"] or self.capture["built"])[0]["settings"]
        old = settings.get("initial_lr", settings["lr"])
        self.keyword(self.optimizer(), "lr", f"{old * times:.6g}")

    def do_group(self, key, value):
        self.keyword(self.optimizer(), key, repr(tuple(value) if isinstance(value, (list, tuple)) else value))

    def do_optimizer(self, type, **words):
        call = self.optimizer()
        said = "".join(f", {'eps' if k == 'epsilon' else k}={v!r}" for k, v in words.items())
        function = self.of(call.func)[: -len(name_of(call))] + OPTIMIZERS[type]
        self.replace(call, f"{function}({self.of(call.args[0])}{said})")

    def do_everything(self):
        off = [i for i, line in enumerate(self.lines, 1) if re.search(r"requires_grad(_\(False\)|\s*=\s*False)", line)]
        call = self.optimizer()
        found = call.args[0] if call.args else None
        names = [n.id for n in ast.walk(found) if isinstance(n, ast.Name)] if found is not None else []
        if off:
            number = the(off)
            self.replace_word(number, r"requires_grad_\(False\)", "requires_grad_(True)")
            self.replace_word(number, r"requires_grad\s*=\s*False", "requires_grad = True")
        elif names:
            self.replace(found, f"{names[0]}.parameters()")
        else:
            raise Unclear

    def replace_word(self, number, pattern, text):
        found = re.search(pattern, self.lines[number - 1])
        if found:
            self.spans.append((number, found.start(), found.end(), text))

    def optimizer_name(self):
        line = self.lines[self.optimizer().lineno - 1]
        found = re.match(r"\s*([\w.]+)\s*=", line)
        if not found:
            raise Unclear
        return found[1]

    def backward(self):
        return the(self.named("backward")).lineno

    def do_zeroed(self):
        self.add_line(self.backward(), f"{self.optimizer_name()}.zero_grad()")

    def do_unzeroed(self):
        self.remove_line(the(self.named("zero_grad")).lineno)
        self.do_zeroed()

    def do_steps(self):
        self.add_line(self.backward(), f"{self.optimizer_name()}.step()", after=True)

    def do_constant(self):
        name = self.optimizer_name()
        steps = [c for c in self.named("step") if self.of(c.func) != name + ".step"]
        self.remove_line(the(steps).lineno)

    def do_clipped(self, norm):
        call = the(c for c in self.named("step") if self.of(c.func) == self.optimizer_name() + ".step")
        parameters = self.of(self.optimizer().args[0])
        self.add_line(call.lineno, f"torch.nn.utils.clip_grad_norm_({parameters}, {norm:g})")

    def do_unclipped(self):
        self.remove_line(the(self.named("clip_grad_norm_")).lineno)

    # ---- loss ----

    def loss_call(self):
        line = self.capture["loss"]["line"]
        names = (self.capture["loss"]["name"],)
        found = self.named(*names) if line is None else [c for c in self.named(*names) if c.lineno == line[1]]
        return the(found)

    def loss_module(self):
        """nn.MSELoss() where that is built."""
        return the(self.named(*LOSS_MODULES.values(), "NLLLoss"))

    def do_loss(self, kind):
        try:
            call, name = self.loss_call(), CALLS[kind]
        except Unclear:
            call, name = self.loss_module(), LOSS_MODULES[kind]
        function = call.func
        if isinstance(function, ast.Attribute):
            start = function.end_col_offset - len(function.attr.encode())
            self.spans.append((call.lineno, start, function.end_col_offset, name))
        else:
            self.replace(function, name)

    def do_class_weights(self, pairs, given):
        weights = [weight for _, weight in sorted(pairs)]
        call = self.loss_module() if self.named(*LOSS_MODULES.values()) else self.loss_call()
        if "cross_entropy" in self.capture["loss"]["name"] and "binary" not in self.capture["loss"]["name"]:
            said = ", ".join(f"{w:.4g}" for w in weights)
            self.keyword(call, "weight", f"torch.tensor([{said}])")
        elif "with_logits" in self.capture["loss"]["name"] and len(weights) == 2:
            self.keyword(call, "pos_weight", f"torch.tensor({weights[1] / weights[0]:.4g})")
        else:
            raise Unclear

    def target(self):
        """The second argument of the loss where it is called."""
        line = self.capture["loss"]["line"]
        if line is None:
            raise Unclear
        return the(c for c in self.calls if c.lineno == line[1] and len(c.args) == 2 and self.is_loss(c)).args[1]

    def is_loss(self, call):
        name = name_of(call)
        return name == self.capture["loss"]["name"] or re.search("loss|crit", self.of(call.func).lower()) is not None

    def do_shapes(self):
        node = self.target()
        longer = len(self.capture["loss"]["pred_shape"]) > len(self.capture["loss"]["target_shape"])
        self.replace(node, self.bracketed(node) + (".unsqueeze(1)" if longer else ".squeeze(1)"))

    def bracketed(self, node):
        plain = isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript))
        return self.of(node) if plain else f"({self.of(node)})"

    def do_targets(self, shift, scale):
        node = self.target()
        self.replace(node, f"({self.of(node)} - {shift:.6g}) / {scale:.6g}")

    # ---- model ----

    def do_skip(self, name, index):
        modules = self.named(MODULES.get(name, "LogSoftmax"))
        if len(modules) == 1:
            self.replace(modules[0], "nn.Identity()")
        else:
            self.unwrap(the(self.named(name)))

    def do_activation(self, name, index, to):
        modules = self.named(MODULES[name])
        if len(modules) == 1:
            self.replace(modules[0], "nn.Identity()" if to == "identity" else f"nn.{MODULES[to]}()")
            return
        call = the(self.named(name))
        if to == "identity":
            self.unwrap(call)
        else:
            self.replace(call, f"torch.{to}({self.of(call.args[0])})" if not self.is_method(call) else f"{self.of(call.func.value)}.{to}()")

    def do_dropout(self, index, rate):
        call = the(self.named("Dropout", "dropout"))
        if call.args and name_of(call) == "Dropout":
            self.replace(call.args[0], f"{rate:g}")
        else:
            self.keyword(call, "p", f"{rate:g}")

    def do_columns(self, name):
        call = the(self.named(name, *([MODULES[name]] if name in MODULES else ["LogSoftmax"])))
        self.keyword(call, "dim", "1")

    def do_undetached(self, at_lines):
        self.unwrap(the(c for c in self.named("detach") if c.lineno in at_lines))

    def do_training_mode(self):
        call = the(self.named("eval"))
        self.replace(call, self.of(call.func.value) + ".train()")

    # ---- rows, length ----

    def do_batch(self, size, old):
        found = [k for c in self.named("DataLoader") for k in c.keywords if k.arg == "batch_size" and self.of(k.value) == str(old)]
        self.replace(the(found).value, str(size))

    def do_mixed(self):
        self.keyword(self.named("DataLoader")[0] if self.named("DataLoader") else the([]), "shuffle", "True")

    def do_longer(self, times, counts):
        """range(30) or EPOCHS = 30, where one number of the file says it."""
        nodes = [n for n in ast.walk(ast.parse(self.text)) if isinstance(n, ast.Constant) and type(n.value) is int and n.value in counts]
        node = the(nodes)
        self.replace(node, str(node.value * times))

    def do_inputs(self, mean, scale):
        self.scaled("(0)" if isinstance(mean, list) else "()")

    def do_standardise(self, name, index, mean, scale):
        self.scaled("(0)")

    def scaled(self, over):
        """Inputs of the data set that loaders read, or what a name outside functions and loops was set to."""
        sets = self.named("TensorDataset")
        if sets:
            node = sets[0].args[0]
            x = self.bracketed(node)
            self.replace(node, f"({x} - {x}.mean{over}) / {x}.std{over}")
            return
        x = self.input_name()
        set_ = [n for n in ast.parse(self.text).body if isinstance(n, ast.Assign) and x in self.set_by(n)]
        last = the(set_[-1:]).end_lineno
        self.add_line(last, f"{x} = ({x} - {x}.mean{over}) / {x}.std{over}", after=True)

    @staticmethod
    def set_by(assignment):
        return [n.id for target in assignment.targets for n in ast.walk(target) if isinstance(n, ast.Name)]

    def input_name(self):
        """x of model(x) or model(x[rows]), where the first layer's line has it."""
        line = self.capture["layers"][0].get("line") if self.capture["layers"] else None
        if line is None:
            raise Unclear
        calls = [c for c in self.calls if c.lineno == line[1] and len(c.args) == 1 and isinstance(c.func, ast.Name)]
        inside = [c.args[0].value if isinstance(c.args[0], ast.Subscript) else c.args[0] for c in calls]
        return the({n.id for n in inside if isinstance(n, ast.Name)})


def diff(path, name, capture, changes):
    """(lines of a diff, changes that are not in it)."""
    try:
        edits = Edits(path, capture)
    except (OSError, SyntaxError, UnicodeDecodeError):
        return [], list(changes)
    left = edits.make(changes)
    return edits.diff(name), left
