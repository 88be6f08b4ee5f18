"""`dsp models`: the weights of language models: list, pull, verify, remove."""

from typing import Annotated, TypeAlias

import typer

from dsp.cli.options import DebugFlag, JsonFlag, complete_model

app = typer.Typer(help="List, pull and remove language models.", no_args_is_help=True, rich_markup_mode=None)
Name: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="A model from the list.", autocompletion=complete_model)
]


@app.command("list")
def list_models(json: JsonFlag = False, debug: DebugFlag = False) -> None:
    """List the models that can be pulled, and which are installed."""
    from dsp import environment
    from dsp.cli.document import print_document
    from dsp.cli.terminal import columns, say
    from dsp.lm.models import Store
    from dsp.lm.weights import DEFAULT

    store = Store(environment.home())
    if json:
        rows = [
            {
                "name": model.name,
                "title": model.title,
                "size": model.size,
                "licence": model.licence,
                "sha256": model.sha256,
                "state": store.state(model.name),
                "default": model.name == DEFAULT,
            }
            for model in store.models.values()
        ]
        print_document(rows)
        return
    table = [
        [m.name, f"{m.size / 1e6:,.0f} MB", store.state(m.name), m.licence, ", ".join(m.languages), m.title]
        for m in store.models.values()
    ]
    for row in columns(table, indent=""):
        say(row)


@app.command("pull")
def pull_model(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A model from the list.", autocompletion=complete_model),
    ] = None,
    debug: DebugFlag = False,
) -> None:
    """Bring the weights of a model, the default one unless named, and check them against the publisher's sha256."""
    from dsp.cli.doors import pull
    from dsp.cli.terminal import note
    from dsp.lm.weights import DEFAULT

    wanted = name or DEFAULT
    pull(wanted)
    note(f"The model {wanted} is installed. Ask: dsp ask 'your question' --lm embedded:{wanted}")


@app.command("verify")
def verify_model(name: Name, debug: DebugFlag = False) -> None:
    """Hash the weights of a model and compare with the publisher's sha256."""
    from dsp import environment
    from dsp.cli.terminal import say
    from dsp.lm.models import Store

    say(f"{Store(environment.home()).verify(name)} is the publisher's file.")


@app.command("remove")
def remove_model(name: Name, debug: DebugFlag = False) -> None:
    """Delete the weights of a model."""
    from dsp import environment
    from dsp.cli.terminal import note
    from dsp.lm.models import Store

    freed = Store(environment.home()).remove(name)
    note(f"Removed {name}: {freed / 1e6:,.0f} MB are free again." if freed else f"The model {name} was not installed.")
