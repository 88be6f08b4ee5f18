"""`dsp doctor`: is everything there, and is it sound?"""

from dsp.cli.options import DebugFlag, JsonFlag


def doctor(json: JsonFlag = False, debug: DebugFlag = False) -> None:
    """Check what is installed; name the command that mends each problem.

    The exit code is 1 where there is a problem; notes say what could be better.
    """
    from dataclasses import asdict

    import typer

    from dsp import environment
    from dsp.cli.document import print_document
    from dsp.cli.doors import configured
    from dsp.cli.terminal import bold, line, say
    from dsp.health import findings

    found = list(findings(environment.home(), configured(), environment.variables()))
    sound = not any(finding.state == "problem" for finding in found)
    if json:
        print_document({"sound": sound, "findings": [asdict(finding) for finding in found]})
    else:
        for finding in found:
            mark = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}[finding.state]
            say(bold(mark), f"  {finding.area:<9} {line(finding.text)}")
            if finding.mend:
                say(f"{'':<19} → {line(finding.mend)}")
    if not sound:
        raise typer.Exit(1)
