"""What the layers test asks of the code beyond its #include lines: no circle of files, names that belong to one
module, and functions that say when they are collective."""
import collections
import os
import re
import subprocess

DEFINITION = re.compile(r"^(?!static const|extern|typedef|#|\s|/\*|\})((?:static )?[\w *]+?\**)\b(\w+)\(([^;{]*?)\)\n\{\n(.*?)^\}",
                        re.M | re.S)
COMMENT = re.compile(r"/\*.*?\*/", re.S)


def sources(root, endings):
    for where, _, files in os.walk(os.path.join(root, "src")):
        for name in sorted(files):
            if name.endswith(endings):
                yield os.path.relpath(os.path.join(where, name), root)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


# ---- circles, told from the objects of the build: who needs a symbol that who defines ----


def objects(build, root):
    for where, _, files in os.walk(os.path.join(build, "CMakeFiles")):
        for name in files:
            path = os.path.join(where, name)
            source = "src/" + path.partition(".dir/src/")[2][:-len(".o")]
            if ".dir/src/" in path and name.endswith(".c.o") and os.path.exists(os.path.join(root, source)):
                yield source, path


def calls(build, root):
    """{file: {file that it needs: {names}}}"""
    of_object = {path: source for source, path in objects(build, root)}
    listing = subprocess.run(["nm", "-A", "-P", *of_object], check=True, capture_output=True, text=True).stdout
    home, wants = {}, collections.defaultdict(set)
    for line in listing.splitlines():
        path, rest = line.rsplit(": ", 1) if ": " in line else (None, "")
        name, kind = rest.split()[:2]
        if kind == "U":
            wants[of_object[path]].add(name)
        elif kind.isupper():
            home[name] = of_object[path]
    needs = collections.defaultdict(lambda: collections.defaultdict(set))
    for source, names in wants.items():
        for name in names:
            if home.get(name, source) != source:
                needs[source][home[name]].add(name)
    return needs


def circles(needs):
    """Files that need each other in a loop (Tarjan 1972), smallest circle first."""
    index, low, stack, found = {}, {}, [], []

    def visit(file):
        index[file] = low[file] = len(index)
        stack.append(file)
        for other in needs.get(file, {}):
            if other not in index:
                visit(other)
            if other in stack:
                low[file] = min(low[file], low[other])
        if low[file] == index[file]:
            members = [stack.pop()]
            while members[-1] != file:
                members.append(stack.pop())
            if len(members) > 1:
                found.append(sorted(members))

    for file in list(needs):
        if file not in index:
            visit(file)
    return sorted(found, key=len)


def told_circles(needs, but):
    for circle in circles(needs):
        reason = next((why for files, why in but.items() if set(circle) <= set(files.split())), None)
        if reason is None:
            yield "a circle of files: " + ", ".join(
                f"{a} -> {b} ({', '.join(sorted(needs[a][b]))})" for a in circle for b in sorted(needs[a])
                if b in circle)


# ---- names ----


def module(path):
    return path.split("/")[1]


def namesakes(root):
    """Static names of one module that are a type or a function of another."""
    public = collections.defaultdict(set)
    static = collections.defaultdict(set)
    for path in sources(root, (".c", ".h")):
        text = COMMENT.sub("", read(root, path))
        if path.endswith(".h"):
            for name in re.findall(r"^\}\s*(\w+);|^typedef [^;{]*?\b(\w+);", text, re.M):
                public[name[0] or name[1]].add(module(path))
            for name in re.findall(r"^(?!static|typedef|#|\s)[\w *]+?\b(\w+)\(", text, re.M):
                public[name].add(module(path))
        else:
            for name in re.findall(r"^static [\w *]+?\b(\w+)\(", text, re.M):
                static[name].add(path)
    for name in sorted(set(public) & set(static)):
        for path in sorted(static[name]):
            if module(path) not in public[name]:
                yield f"{path}: {name} is also a name of src/{', src/'.join(sorted(public[name]))}"


# ---- what is collective ----


def functions(root):
    """(file, name, is static, parameters, body) of every function."""
    for path in sources(root, (".c",)):
        for found in DEFINITION.finditer(read(root, path)):
            yield path, found.group(2), found.group(1).startswith("static"), found.group(3), found.group(4)


def communicating(all_functions, doors):
    """Keys (file or None, name) of functions that reach a function of doors by calls."""
    bodies, local = {}, collections.defaultdict(set)
    for path, name, is_static, _, body in all_functions:
        key = (path, name) if is_static else (None, name)
        bodies[key] = (path, set(re.findall(r"\b(\w+)\(", COMMENT.sub("", body))))
        if is_static:
            local[path].add(name)
    found = set()
    grows = True
    while grows:
        grows = False
        for key, (path, called) in bodies.items():
            if key in found:
                continue
            reached = {(path, c) if c in local[path] else (None, c) for c in called}
            if called & doors or reached & found:
                found.add(key)
                grows = True
    return found


def contracts(root):
    """{name: comment above its prototype}; a comment counts for the prototypes that follow it without a blank line."""
    told = {}
    for path in sources(root, (".h",)):
        text = read(root, path)
        for found in re.finditer(r"^(?!static|typedef|#|\s|extern|/\*|\})[\w *]+?\b(\w+)\([^;{}]*\)[^;{}]*;([^\n]*)", text, re.M):
            before = text[:found.start()].rsplit("\n\n", 1)[-1]
            told[found.group(1)] = before + found.group(2)
    return told


def uncollective(root, doors):
    every = list(functions(root))
    told = contracts(root)
    reach = communicating(every, doors)
    for path, name, is_static, parameters, _ in every:
        if is_static or (None, name) not in reach or "pp_comm *" in parameters or name not in told:
            continue
        if "ollective" not in told[name]:
            yield f"{path}: {name} communicates and takes no communicator: its comment must say Collective"
