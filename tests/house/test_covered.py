"""What script/test --coverage tells of coverage's report."""

from script.covered import told


def test_files_under_the_bar_are_told_with_their_lines_and_the_total_comes_last():
    def file(percent: float, *missing: int) -> dict[str, object]:
        return {"summary": {"percent_covered": percent}, "missing_lines": list(missing)}

    report = {
        "totals": {"percent_covered": 84.96, "covered_lines": 226, "num_statements": 266},
        "files": {"good.py": file(85.0, 9), "poor.py": file(84.9, 1, 2, 3, 7, 9, 10), "worst.py": file(0.0, 5)},
    }
    assert list(told(report, bar_percent=85)) == [
        "coverage: worst.py: 0.0 %, not reached: 5",
        "coverage: poor.py: 84.9 %, not reached: 1-3, 7, 9-10",
        "coverage: 85.0 % (226 of 266 lines); 85 % are asked for",
    ]
