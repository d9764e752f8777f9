/**
 * Open wire codes: a frozen object of named values beside a branded number type. Unknown values are representable and
 * print as their number.
 *
 *     export type RelayCommand = WireCode<'RelayCommand'>
 *     export const RelayCommand = wireCodes('RelayCommand')({ BEGIN: 1, DATA: 2 })
 *     RelayCommand.nameOf(code)
 */

declare const codeBrand: unique symbol

export type WireCode<Name extends string> = number & { readonly [codeBrand]?: Name }

export type WireCodes<Name extends string, Table extends Record<string, number>> = {
  readonly [Key in keyof Table]: WireCode<Name>
} & {
  /** The name of a value, or `Name(number)` for one without a name. */
  nameOf(code: number): string
  /** Whether the value has a name. */
  isKnown(code: number): boolean
}

export function wireCodes<Name extends string>(kind: Name) {
  return <const Table extends Record<string, number>>(table: Table): WireCodes<Name, Table> => {
    const names: ReadonlyMap<number, string> = new Map(Object.entries(table).map(([name, value]) => [value, name]))
    return Object.freeze({
      ...table,
      nameOf: (code: number): string => names.get(code) ?? `${kind}(${code})`,
      isKnown: (code: number): boolean => names.has(code),
    }) as WireCodes<Name, Table>
  }
}
