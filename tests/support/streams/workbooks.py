"""Workbooks as Excel writes them."""

from __future__ import annotations

import io
import zipfile


def sheets(*each: list[list[str | float]], dates: tuple[int, ...] = ()) -> bytes:
    """A workbook with these sheets; `dates` are columns whose numbers are shown as dates."""
    spread = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"

    def cell(place: int, value: str | float) -> str:
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        return f'<c s="{int(place in dates)}"><v>{value!r}</v></c>'

    def sheet(rows: list[list[str | float]]) -> str:
        lines = ("".join(cell(place, value) for place, value in enumerate(row)) for row in rows)
        rows_of_it = "".join(f"<row>{line}</row>" for line in lines)
        return f'<worksheet xmlns="{spread}"><sheetData>{rows_of_it}</sheetData></worksheet>'

    numbers = range(1, len(each) + 1)
    named = "".join(f'<sheet name="Sheet{n}" sheetId="{n}" r:id="rId{n}"/>' for n in numbers)
    targets = [f'Id="rId{n}" Type="{relations}/worksheet" Target="worksheets/sheet{n}.xml"' for n in numbers]
    targets.append(f'Id="rId0" Type="{relations}/styles" Target="styles.xml"')
    linked = "".join(f"<Relationship {target}/>" for target in targets)
    book = f'<Relationship Id="rId1" Type="{relations}/officeDocument" Target="xl/workbook.xml"/>'
    shown = '<xf numFmtId="0"/><xf numFmtId="22"/>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">{book}</Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{spread}" xmlns:r="{relations}"><sheets>{named}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">{linked}</Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{spread}"><cellXfs>{shown}</cellXfs></styleSheet>',
        **{f"xl/worksheets/sheet{n}.xml": sheet(rows) for n, rows in zip(numbers, each, strict=True)},
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return out.getvalue()
