"""`dsp config`: each option, its value, and where it came from."""

from dsp.cli.options import DebugFlag, JsonFlag


def config(json: JsonFlag = False, debug: DebugFlag = False) -> None:
    """Show each option and where its value came from.

    A flag wins over a DSP_* variable, that over dsp.toml in the working directory, that over the user's file, that
    over the default.
    """
    from dsp import environment
    from dsp.cli.document import print_document
    from dsp.cli.doors import configured, user_file
    from dsp.cli.terminal import KEY, columns, dim, say
    from dsp.configuration import variable_name

    chosen = configured()
    variables = environment.variables()
    home = str(environment.home())
    home_origin = "DSP_HOME" if variables.get("DSP_HOME") else "default"
    key = "set" if variables.get(KEY) else "not set"
    if json:
        rows = {n: {"value": s.value and s.shown, "origin": s.origin} for n, s in chosen.settings.items()}
        files = [str(path) for path in chosen.files]
        print_document({"settings": rows, "home": {"value": home, "origin": home_origin}, KEY: key, "files": files})
        return
    table = [
        [n, s.shown, s.origin, f"--{n.replace('_', '-')} · {variable_name(n)}"] for n, s in chosen.settings.items()
    ]
    table += [["home", home, home_origin, "DSP_HOME"], [KEY, key, "environment", ""]]
    for row in columns([["option", "value", "from", "set by"], *table], indent=""):
        say(row)
    read = ", ".join(map(str, chosen.files)) or "none"
    say("\n", dim(f"Files read: {read}. Looked for: ./dsp.toml (no folder above), {user_file()}"))
